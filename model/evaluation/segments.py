"""Performance of scores in parts of the business: by categories, flags and amounts of claims.

A model that is good overall may be useless, or give wrong probabilities, for one kind of claim.
Fields of role *feature* only: groups of people are in `model.evaluation.fairness`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.arrays import Flags, Labels, Scores
from model.datasets.dataset import Dataset
from model.evaluation.bootstrap import Interval
from model.evaluation.fairness import SMALL, TOP, UNKNOWN
from model.evaluation.shares import wilson
from model.thresholds import top_share
from schemas.claim import Role
from schemas.contract.model import Contract
from schemas.expressions.spelling import clean

MAX_SEGMENTS: Final = 20
"""A category with more values than this, such as a garage, is not a part of the business."""
MIN_CLAIMS: Final = 30
MIN_SHARE: Final = 0.01
"""A part with fewer claims than either goes to `OTHER`: its figures would be chance."""
OTHER: Final = "other"
_QUARTERS: Final = (0.25, 0.5, 0.75)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Claims that share one value, or one range, of an ordinary field."""

    field: str
    segment: str
    n: int
    frauds: int
    fraud_rate: float
    fraud_rate_interval: Interval
    mean_score: float
    referral_rate: float
    top_rate: float
    """Share of the segment among the highest-scoring `TOP` of all claims."""
    top_recall: float | None
    top_recall_interval: Interval | None

    @property
    def small(self) -> bool:
        """True if there are too few frauds for reliable figures."""
        return self.frauds < SMALL

    @property
    def off(self) -> bool:
        """True if the mean score is outside the interval of the share of frauds."""
        low, high = self.fraud_rate_interval.low, self.fraud_rate_interval.high
        return not low <= self.mean_score <= high


def segments(dataset: Dataset, p: Scores, threshold: float) -> tuple[Segment, ...]:
    """One row for each part of each field; none for a field with one part, or with too many.

    Args:
        dataset: the scored claims and their labels.
        p: fraud probabilities, shape (n_claims,).
        threshold: claims at or above it count as referred.
    """
    top, y = p >= top_share(p, TOP), dataset.labels
    rows: list[Segment] = []
    for field in _fields(dataset.contract):
        values = [getattr(claim, field) for claim in dataset.claims]
        kind = dataset.contract.fields[field].kind
        names = np.array(_merged(_bands(values) if kind == "number" else _categories(values)))
        found = list(dict.fromkeys(_order(names)))
        if 1 < len(found) <= MAX_SEGMENTS:
            rows += (
                _segment(field, name, names == name, y, p, p >= threshold, top) for name in found
            )
    return tuple(rows)


def _fields(contract: Contract) -> list[str]:
    """Features that are categories, flags or amounts of money."""
    fields = (contract.fields[name] for name in contract.with_role(Role.FEATURE))
    return [f.name for f in fields if f.kind in ("text", "flag") or f.said.unit == "currency"]


def _categories(values: Sequence[Any]) -> list[str]:
    return [clean(_WORDS.get(value, value)) or UNKNOWN for value in values]


_WORDS: Final[dict[Any, str]] = {True: "yes", False: "no"}


def _bands(values: Sequence[Any]) -> list[str]:
    """Quarters by their bounds; fewer if many claims have the same amount."""
    amounts = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    known = amounts[~np.isnan(amounts)]
    if not len(known):
        return [UNKNOWN] * len(values)
    edges = np.unique(np.quantile(known, _QUARTERS, method="lower"))
    edges = edges[edges < known.max()]
    labels = [
        *(f"{number}. up to {edge:,.0f}" for number, edge in enumerate(edges, start=1)),
        f"{len(edges) + 1}. more" if len(edges) else "1. any",
    ]
    place = np.searchsorted(edges, amounts, side="left")
    return [UNKNOWN if np.isnan(a) else labels[i] for a, i in zip(amounts, place, strict=True)]


def _merged(names: list[str]) -> list[str]:
    least = max(MIN_CLAIMS, MIN_SHARE * len(names))
    few = {name for name, n in Counter(names).items() if n < least}
    return [OTHER if name in few else name for name in names] if len(few) > 1 else names


def _order(names: npt.NDArray[np.str_]) -> list[str]:
    """Sort by name; unspecific names come last."""
    return sorted(set(names.tolist()), key=lambda name: (name in (OTHER, UNKNOWN), name))


def _segment(
    field: str, name: str, inside: Flags, y: Labels, p: Scores, referred: Flags, top: Flags
) -> Segment:
    fraud = y[inside] == 1
    found = top[inside][fraud]
    return Segment(
        field=field,
        segment=name,
        n=int(inside.sum()),
        frauds=int(fraud.sum()),
        fraud_rate=float(fraud.mean()),
        fraud_rate_interval=_interval(fraud),
        mean_score=float(p[inside].mean()),
        referral_rate=float(referred[inside].mean()),
        top_rate=float(top[inside].mean()),
        top_recall=float(found.mean()) if len(found) else None,
        top_recall_interval=_interval(found) if len(found) else None,
    )


def _interval(flags: Flags) -> Interval:
    low, high = wilson(np.array([flags.mean()]), np.array([len(flags)]))
    return Interval(float(low[0]), float(high[0]))
