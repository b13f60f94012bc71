"""The reasons of decisions: rules and flags that made them, then what raises the score."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.arrays import Matrix
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.decide import Decisions
from model.scoring.reasons import Explainer
from schemas.alert import Decision, ReasonItem, Remainder, RuleHit

DECIDING: Final[Mapping[str, str]] = {
    TOO_LITTLE_KNOWN: "too little is known of the claim for the model to judge it",
}
"""What data-quality flags that make a decision say, by flag."""


def explained(
    explainer: Explainer,
    claims: Sequence[Any],
    codes: Matrix,
    decisions: Decisions,
    hits: Sequence[Sequence[RuleHit]],
    flags: Sequence[Sequence[str]],
) -> tuple[list[tuple[ReasonItem, ...]], dict[int, Remainder]]:
    """Reasons of each claim whose decision is not pass, and by row what they leave out.

    The score is explained where the model itself does not advise to pass. Where only a rule or a
    flag made the decision, that is the reason.

    Args:
        explainer: of the model.
        claims: the batch.
        codes: the same claims encoded for trees, shape (n_claims, n_features).
        decisions: the model's own, before a flag or a rule changed them.
        hits: rules that each claim met.
        flags: on the data quality of each claim.
    """
    reasons = [
        (*_by_rules(met), *_by_flags(said)) if met or said else ()
        for met, said in zip(hits, flags, strict=True)
    ]
    rows = [i for i, d in enumerate(decisions.decision) if d is not Decision.PASS]
    found = explainer.explain([claims[i] for i in rows], codes[rows])
    for row, one in zip(rows, found, strict=True):
        reasons[row] = (*reasons[row], *one.reasons)
    return reasons, {row: one.remainder for row, one in zip(rows, found, strict=True)}


def _by_rules(hits: Sequence[RuleHit]) -> list[ReasonItem]:
    return [_item(f"rule.{hit.id}", hit.text) for hit in hits if hit.outcome is not Decision.PASS]


def _by_flags(flags: Sequence[str]) -> list[ReasonItem]:
    return [_item(f"quality.{flag}", DECIDING[flag]) for flag in flags if flag in DECIDING]


def _item(code: str, text: str) -> ReasonItem:
    return ReasonItem(code=code, text=text, feature="", value=None, contribution=0.0)
