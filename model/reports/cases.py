"""Held-out claims as examples: frauds that were caught, frauds that were missed, false alarms."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from model.arrays import Indices, Scores
from model.artifact.manifest import Manifest
from model.compiled.fitted import plain_pipeline
from model.datasets.dataset import Dataset
from model.evaluation.caught import examples
from model.history.contract import histories_in
from model.reports.table import TextTable
from model.scoring.reasons import LEVEL
from model.scoring.rules import shipped_rules
from model.scoring.scorer import Scorer
from model.training.train import Trained
from schemas.alert import Decision, ReasonItem
from schemas.contract.parse import parse
from schemas.decoding.decoder import ClaimDecoder

NOTHING: Final = "nothing raised the score"


class ExampleClaim(NamedTuple):
    """One claim."""

    claim_id: str
    probability: float
    decision: Decision
    """By the model; a rule may raise it."""
    reasons: tuple[str, ...]
    """As its alert has them; of a claim that the model lets pass, as if it were referred."""


class ExampleClaims(NamedTuple):
    """Examples of each kind, the highest score first."""

    caught: tuple[ExampleClaim, ...]
    missed: tuple[ExampleClaim, ...]
    false_alarms: tuple[ExampleClaim, ...]


def cases(scorer: Scorer, tested: Dataset, p: Scores) -> ExampleClaims:
    """Examples among claims that the model was not trained on.

    Args:
        scorer: the model.
        tested: those claims and their labels.
        p: their fraud probabilities, shape (n_claims,).
    """
    fraud, referred = tested.labels == 1, p >= scorer.threshold

    def some(rows: Indices) -> tuple[ExampleClaim, ...]:
        return _described(scorer, [tested.claims[row] for row in rows], p[rows])

    return ExampleClaims(
        caught=some(examples(fraud & referred, p)),
        missed=some(examples(fraud & ~referred, p)),
        false_alarms=some(examples(~fraud & referred, p)),
    )


def scorer_of(trained: Trained, manifest: Manifest) -> Scorer:
    """The model as it will be loaded, with the rules that come with its contract.

    Raises:
        RuleError: the rules cannot be evaluated on claims of that contract.
    """
    contract = parse(trained.contract.tree)  # that of the senders: history is no part of it
    return Scorer(
        plain_pipeline(trained.pipeline), manifest, trained.reference, ClaimDecoder(contract),
        shipped_rules(contract),
    )  # fmt: skip


def _described(scorer: Scorer, claims: Sequence[Any], p: Scores) -> tuple[ExampleClaim, ...]:
    if not claims:
        return ()
    plan = scorer.history
    histories = None if plan is None else histories_in(plan.kinds, claims)
    name = scorer.contract.event.id  # never personal or protected: a contract with such is refused
    return tuple(
        ExampleClaim(
            claim_id=_printable(getattr(claim, name)),
            probability=score,
            decision=decision,
            reasons=_texts(reasons, decision),
        )
        for claim, score, decision, reasons in zip(
            claims,
            p.tolist(),
            scorer.decide(p).decision,
            scorer.reasons(claims, histories),
            strict=True,
        )
    )


def _texts(reasons: Sequence[ReasonItem], decision: Decision) -> tuple[str, ...]:
    passed = decision is Decision.PASS
    return tuple(NOTHING if passed and one == LEVEL else one.text for one in reasons)


def _printable(claim_id: object) -> str:
    return "".join(c if c.isprintable() else " " for c in str(claim_id))


def table(found: Sequence[ExampleClaim], title: str) -> TextTable:
    """One row per example."""
    head = ["claim", "probability", "decision", "reasons"]
    rows = [
        [
            one.claim_id,
            f"{one.probability:.4f}",
            one.decision.value,
            " \N{MIDDLE DOT} ".join(one.reasons),
        ]
        for one in found
    ]
    return TextTable(head, rows, title, text=(0, 2, 3))
