"""The data an artifact keeps about its training claims: ``reference.json``.

Scores to rank against, bins for measuring drift, and golden examples: a few claims with their
probability, scored again whenever the artifact is loaded. No golden example contains an
identifier, or a personal or protected field, unless the model was configured to use it.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import msgspec
import numpy as np

from model.arrays import Flags, Indices, Labels, Matrix, Scores
from model.artifact.comparisons import Comparisons, compare
from model.drift import SCORE, Bins, code_bins, number_bins
from model.features.facts import claim_columns
from model.history.contract import histories_in
from model.history.features import ClaimHistory, names_of
from model.history.plan import HistoryPlan
from schemas.claim import Role
from schemas.contract.model import Contract
from schemas.decoding.structs import partial_type

RANKED_SCORES: Final = 1000
GOLDEN_EXAMPLES: Final = 16
GOLDEN_TOLERANCE: Final = 1e-9
"""Other processors round differently in the last bits; a different model differs far more."""
_OFTEN_MISSING: Final = 0.05
_RARELY: Final = 0.001
"""Share of the training claims that may have fewer known features than is enough."""
TOO_LITTLE_KNOWN: Final = "too_little_known"
"""Flag of a claim of which the model knows hardly anything: its score says nothing about it."""


class Golden(msgspec.Struct, frozen=True):
    """A claim and the fraud probability it must get."""

    claim: dict[str, Any]
    """Its fields by name, as JSON has them; those that are missing are left out."""
    probability: float


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics and examples of the training claims."""

    scores: tuple[float, ...]
    """Out-of-fold fraud probabilities, sorted; at most `RANKED_SCORES`, evenly spaced by rank."""
    columns: dict[str, Bins]
    """By feature and, for the score, by `model.drift.SCORE`."""
    golden: tuple[Golden, ...]
    least_known: float = 0.0
    """Of a claim with fewer known features, too little is known for this model. See
    `least_known`."""
    comparisons: Comparisons | None = None
    """What reasons compare a claim with; None in models that were trained before there was any."""

    def golden_claims(self, contract: Contract) -> list[Any]:
        """The claims of the golden examples.

        Raises:
            msgspec.ValidationError: one does not meet the contract.
        """
        kind = partial_type(contract)
        return [msgspec.convert(golden.claim, kind) for golden in self.golden]

    def golden_histories(self, plan: HistoryPlan) -> list[ClaimHistory]:
        """What was known of whom the golden examples name; it stands among their fields.

        Raises:
            msgspec.ValidationError: a value is no number.
        """
        kind = msgspec.defstruct(
            "History", [(name, float | None, None) for name in names_of(plan.kinds)], frozen=True
        )
        found = [msgspec.convert(golden.claim, kind) for golden in self.golden]
        return histories_in(plan.kinds, found)

    def expected(self) -> frozenset[str]:
        """Features that training claims rarely lacked: flagged if they are missing."""
        return frozenset(
            name
            for name, bins in self.columns.items()
            if bins.counts[-1] <= _OFTEN_MISSING * sum(bins.counts)
        )


def describe(
    contract: Contract,
    pipeline: Any,
    claims: Sequence[Any],
    out_of_fold: Scores,
    labels: Labels | None = None,
    history: HistoryPlan | None = None,
) -> Reference:
    """The reference of a fitted pipeline.

    Args:
        contract: what the claims are.
        pipeline: fitted on `claims`.
        claims: the training claims.
        out_of_fold: their scores by models fitted without them, shape (n_claims,).
        labels: 1 for fraud, shape (n_claims,); without them, reasons compare with nothing.
        history: how history features among the claims' fields were computed.
    """
    encoder = pipeline["encode"]
    codes = encoder.codes(claim_columns(contract, claims, encoder.features))
    known = {name: len(found) for name, found in encoder.categories().items()}
    columns = {
        name: code_bins(values, known[name]) if name in known else number_bins(values)
        for name, values in zip(encoder.features, codes.T, strict=True)
    }
    return Reference(
        scores=tuple(ranked(out_of_fold).tolist()),
        columns=columns | {SCORE: number_bins(out_of_fold)},
        golden=_golden(contract, pipeline, claims, out_of_fold),
        least_known=least_known(codes[:, stated_columns(encoder.features, history)]),
        comparisons=None if labels is None else _comparisons(contract, encoder, codes, labels),
    )


def _comparisons(contract: Contract, encoder: Any, codes: Matrix, labels: Labels) -> Comparisons:
    numbers = {
        name: not contract.is_category(name) and contract.kind_of(name) != "flag"
        for name in encoder.features
    }
    identifiers = contract.with_role(Role.IDENTIFIER)
    withheld: Flags = np.array(
        [
            contract.is_withheld(n) or contract.kind_of(n) == "date" or n in identifiers
            for n in numbers
        ]
    )
    pairs = [
        (one, other)
        for (one, first), (other, second) in combinations(enumerate(numbers), 2)
        if contract.topic(first) == contract.topic(second)
    ]
    return compare(codes, labels, numbers, withheld, pairs)


def least_known(codes: Matrix) -> float:
    """How many features training claims have at least, all but one in a thousand.

    No more than half of what a usual claim has: where all claims are complete, one that lacks a
    feature or two is not another kind of claim.

    Args:
        codes: encoded training claims, shape (n_claims, n_columns): see `stated_columns`.
    """
    known = known_features(codes)
    return float(min(np.quantile(known, _RARELY, method="lower"), np.median(known) / 2))


def stated_columns(features: Sequence[str], history: HistoryPlan | None) -> Flags | slice:
    """Which columns say something of the claim itself: all but those of history.

    That somebody was never seen before is no fact of the claim.

    Args:
        features: names of the columns.
        history: how history features among them were computed.
    """
    if history is None:
        return slice(None)  # a view, not a copy
    remembered = frozenset(names_of(history.kinds))
    found: Flags = np.array([name not in remembered for name in features], dtype=np.bool_)
    return found


def too_little_known(codes: Matrix, least: float) -> Flags:
    """Claims of which too little is known, shape (n_claims,).

    Args:
        codes: encoded claims, shape (n_claims, n_columns): see `stated_columns`.
        least: of the model, see `Reference.least_known`.
    """
    found: Flags = known_features(codes) < least
    return found


def known_features(codes: Matrix) -> Indices:
    """How many features of each claim are known, shape (n_claims,)."""
    found: Indices = (~np.isnan(codes)).sum(axis=1)
    return found


def ranked(scores: Scores) -> Scores:
    """At most `RANKED_SCORES` of the scores, sorted, evenly spaced by rank."""
    ordered = np.sort(scores)
    ranks = np.linspace(0, len(ordered) - 1, min(RANKED_SCORES, len(ordered)))
    return ordered[ranks.round().astype(np.intp)]


def _golden(
    contract: Contract, pipeline: Any, claims: Sequence[Any], scores: Scores
) -> tuple[Golden, ...]:
    """Claims from the lowest score to the highest, and an empty one."""
    features = pipeline["encode"].features
    ranks = np.linspace(0, len(claims) - 1, min(GOLDEN_EXAMPLES, len(claims)))
    chosen = [claims[i] for i in np.argsort(scores, kind="stable")[ranks.astype(np.intp)]]
    part = partial_type(contract)
    kept = {*contract.with_role(Role.FEATURE, Role.TIME), *features} & contract.fields.keys()
    kept.discard(contract.event.id)
    bare = [part(**{name: getattr(claim, name) for name in kept}) for claim in chosen]
    bare.append(part())
    found = pipeline.predict_proba(claim_columns(contract, bare, features))[:, 1]
    return tuple(
        Golden(_named(contract, claim, number), p)
        for number, (claim, p) in enumerate(zip(bare, found.tolist(), strict=True), start=1)
    )


def _named(contract: Contract, claim: Any, number: int) -> dict[str, Any]:
    """A golden claim as JSON has it, under an id of its own."""
    fields: dict[str, Any] = msgspec.to_builtins(claim)
    return {contract.event.id: f"golden-{number}"} | fields
