"""Why a claim should be looked at: what raises its score, as facts of the claim.

Contributions are exact Shapley values of the raw score: path-dependent TreeSHAP for trees,
interventional for the logistic regression (see `model.compiled.trees`, `model.compiled.crosses`).
They are in log-odds for the logistic regression and for boosting, in probability for a forest,
whose trees add up in probability. Features that the contract puts under one topic form one
reason, whose contribution is their sum. With the remainder and the expected raw score, the reasons
add up to the claim's raw score within `TOLERANCE`.

A reason raises the score by `LEAST` or more, or is the only one. Facts that are common, or were
hardly more often fraud in training than claims in general, are left out as long as there are
others; if there are none, that is said first. If there are more than the limit, those with the
largest contribution times surprise are given; surprise is ``-log2`` of the share of the training
claims that had such a fact. The rarest fact comes first: it sets the claim apart.

A contribution says what influenced the score, not what is true: it is not evidence of fraud.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from model.arrays import Matrix, Numbers
from model.artifact.comparisons import Comparisons
from model.compiled.classifier import Compiled
from model.compiled.trees import Unit
from model.scoring.wording import MISSING, WordedFact, Wording
from schemas.alert import ReasonItem, Remainder
from schemas.contract.model import Contract

TOLERANCE: Final = 1e-9
"""Maximum difference between the raw score and the sum of contributions and expected score."""
LIMIT: Final = 5
"""Default number of reasons per claim."""
LEAST: Final[Mapping[Unit, float]] = {"log-odds": 0.05, "probability": 0.005}
"""Smallest contribution of a reason: the odds rise by 5 %, or the probability by half a point."""
_MINOR: Final = 0.3
"""A member of a topic is mentioned if it contributes at least this share of the largest."""
_MOST_MEMBERS: Final = 3
ORDINARY: Final = ReasonItem(
    code="score.ordinary",
    text="no single fact stands out: these are common, and raise the score together",
    feature="",
    value=None,
    contribution=0.0,
)
LEVEL: Final = ReasonItem(
    code="score.level",
    text="no fact raises the score: the average claim is above the level for a review as well",
    feature="",
    value=None,
    contribution=0.0,
)


class Explanation(NamedTuple):
    """Why a claim has its score."""

    reasons: tuple[ReasonItem, ...]
    """At least one."""
    remainder: Remainder


class _Topic(NamedTuple):
    """Columns that are one reason."""

    columns: tuple[int, ...]
    names: tuple[str, ...]
    """Of the features, if there are several."""


_Raising = tuple[float, float, int, WordedFact]
"""A reason for one claim: minus its surprise, minus its contribution, its topic, its wording."""


class Explainer:
    """Reasons for the scores of one model.

    Args:
        compiled: the model.
        features: names of its columns, in order.
        contract: what its claims are.
        categories: of features that are texts, in the order of their codes.
        comparisons: the training claims, if the model keeps them.
    """

    def __init__(
        self,
        compiled: Compiled,
        features: Sequence[str],
        contract: Contract,
        categories: Mapping[str, Sequence[str]],
        comparisons: Comparisons | None = None,
    ) -> None:
        self._compiled = compiled
        self._features = tuple(features)
        self._columns = {name: column for column, name in enumerate(features)}
        self._least = LEAST[compiled.unit]
        self._wording = Wording(self._features, contract, categories, comparisons)
        columns: dict[str, list[int]] = {}
        for column, name in enumerate(features):
            columns.setdefault(contract.topic(name), []).append(column)
        self._topics = [
            _Topic(tuple(some), tuple(self._features[c] for c in some) if some[1:] else ())
            for some in columns.values()
        ]
        sizes = [len(topic.columns) for topic in self._topics]
        self._starts = np.cumsum([0, *sizes])[:-1]
        self._order = np.array([c for topic in self._topics for c in topic.columns], dtype=np.int64)

    def explain(
        self, claims: Sequence[Any], codes: Matrix, limit: int = LIMIT
    ) -> list[Explanation]:
        """Explain each claim.

        Args:
            claims: those to explain: only those that are looked at, as explaining is expensive.
            codes: the same claims encoded for trees, shape (n_claims, n_features).
            limit: maximum reasons per claim.

        Raises:
            ValueError: a contribution is not a finite number.
        """
        if not claims:
            return []
        found = self._compiled.contributions(codes)
        parts = found[:, :-1]
        totals = np.add.reduceat(parts[:, self._order], self._starts, axis=1)
        if not np.isfinite(totals.sum(axis=1)).all():
            raise ValueError("a contribution to a score is not a finite number")
        least = np.minimum(self._least, totals.max(axis=1, keepdims=True))
        large = (totals >= least) & (totals > 0)
        up, down = np.maximum(totals, 0).sum(axis=1), np.minimum(totals, 0).sum(axis=1)
        marked = np.where(np.isnan(codes), MISSING, codes)
        topics = np.nonzero(large)[1].tolist()
        ends = np.cumsum(large.sum(axis=1)).tolist()
        rows = zip(
            claims, map(topics.__getitem__, map(slice, [0, *ends], ends)), marked.tolist(),
            parts.tolist(), totals.tolist(),
            zip(up.tolist(), down.tolist(), found[:, -1].tolist(), strict=True), strict=True,
        )  # fmt: skip
        return [self._explained(limit, *row) for row in rows]

    def told(self, claim: Any, name: str, codes: Numbers) -> str | None:
        """A fact of a claim and what it is compared with; None if it is not a feature.

        Args:
            claim: as decoded.
            name: of the fact.
            codes: of the claim, shape (n_features,).
        """
        if name not in self._columns:
            return None
        code = codes[self._columns[name]]
        marked = MISSING if np.isnan(code) else float(code)
        return self._wording.tell(claim, self._columns[name], marked).text

    def _explained(
        self,
        limit: int,
        claim: Any,
        topics: Sequence[int],
        code: Sequence[float],
        parts: Sequence[float],
        totals: Sequence[float],
        sums: tuple[float, float, float],
    ) -> Explanation:
        raising: list[_Raising] = []
        for i in topics:
            columns = self._topics[i].columns
            if len(columns) == 1:
                told = self._wording.tell(claim, columns[0], code[columns[0]])
            else:
                told = self._wording.tell_all(claim, _leading(columns, parts), code)
            raising.append((-told.surprise, -totals[i], i, told))
        chosen = [one for one in raising if not one[3].weak] or raising
        if len(chosen) > limit:
            chosen = sorted(chosen, key=_weight)[:limit]
        chosen.sort()
        shown, reasons = 0.0, []
        for _, minus, i, (feature, name, text, value, _, _, _) in chosen:
            shown -= minus
            reasons.append(
                ReasonItem(
                    code=name,
                    text=text,
                    feature=feature,
                    value=value,
                    contribution=-minus,
                    features=self._topics[i].names,
                )
            )
        if not reasons:
            reasons = [LEVEL]
        elif chosen[0][3].weak:
            reasons.insert(0, ORDINARY)
        return Explanation(tuple(reasons), self._remainder(shown, *sums))

    def _remainder(self, shown: float, up: float, down: float, expected: float) -> Remainder:
        more = up - shown
        return Remainder(
            text=f"the other facts raise the score by {abs(more):.2f} and lower it by "
            f"{abs(down):.2f} in all ({self._compiled.unit})",
            contribution=more + down,
            expected=expected,
        )


def _leading(columns: Sequence[int], parts: Sequence[float]) -> Sequence[int]:
    """The columns of a topic that are mentioned, the largest contribution first."""
    first, *others = columns
    if not others[1:]:  # most are pairs
        (second,) = others
        if parts[second] > parts[first]:
            first, second = second, first
        return (first, second) if parts[second] >= _MINOR * parts[first] else (first,)
    ordered = sorted(columns, key=parts.__getitem__, reverse=True)[:_MOST_MEMBERS]
    least = _MINOR * parts[ordered[0]]
    return [column for column in ordered if parts[column] >= least]


def _weight(one: _Raising) -> float:
    """Minus contribution times surprise."""
    return -one[0] * one[1]
