"""Bootstrap intervals of the threshold-independent figures, for all draws at once.

A draw with replacement is a weight for each claim: how often it was drawn. Claims are ranked
once, and the figures of every draw are sums along that ranking: the same figures that
`model.metrics.evaluate` gives for the drawn claims, hundreds of times faster.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from model.arrays import Indices, Labels, Numbers, Scores

RESAMPLES: Final = 400
_AT_ONCE: Final = 50
"""Draws computed together: bounds the memory to this many rows of one weight per claim."""


class Interval(msgspec.Struct, frozen=True):
    """Bounds between which 95 % of the resampled figures lie."""

    low: float
    high: float


def intervals(
    y: Labels,
    p: Scores,
    *,
    groups: Indices | None = None,
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> dict[str, Interval]:
    """Percentile bootstrap (Efron, "Bootstrap methods", 1979), claims drawn with replacement.

    A figure that the labels leave undefined is omitted.

    Args:
        y: labels, shape (n_claims,), 1 is fraud.
        p: fraud probabilities, shape (n_claims,).
        groups: of copies, drawn as a whole (a cluster bootstrap); None if there are no copies.
        resamples: how many draws.
        seed: of the draws.
    """
    (found,) = _resampled(y, (p,), groups, resamples, seed)
    return _between(found)


def gains(
    y: Labels,
    p: Scores,
    former: Scores,
    *,
    groups: Indices | None = None,
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> dict[str, Interval]:
    """Intervals of the differences between the figures of two models, on the same draws.

    Claims that are hard for both are in the same draws of both, so a difference is known better
    than either figure.

    Args:
        y: labels, shape (n_claims,), 1 is fraud.
        p: fraud probabilities of one model, shape (n_claims,).
        former: of the other, whose figures are subtracted.
        groups: of copies, drawn as a whole; None if there are no copies.
        resamples: how many draws.
        seed: of the draws.
    """
    one, other = _resampled(y, (p, former), groups, resamples, seed)
    return _between({name: one[name] - other[name] for name in one})


def _resampled(
    y: Labels, every: Sequence[Scores], groups: Indices | None, resamples: int, seed: int
) -> list[dict[str, Scores]]:
    """Figures of each draw, by name, for each of several scores of the same claims."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(y)) if groups is None else groups
    size = int(groups.max(initial=-1)) + 1
    parts = [
        [figures(y, p, drawn[:, groups]) for p in every] for drawn in _draws(rng, size, resamples)
    ]
    return [
        {name: np.concatenate([part[number][name] for part in parts]) for name in parts[0][number]}
        for number in range(len(every))
    ]


def _between(found: dict[str, Scores]) -> dict[str, Interval]:
    return {
        name: Interval(*np.nanquantile(values, [0.025, 0.975]).tolist())
        for name, values in found.items()
        if not np.isnan(values).all()
    }


def _draws(rng: np.random.Generator, n: int, resamples: int) -> Iterator[Numbers]:
    for start in range(0, resamples, _AT_ONCE):
        draws = min(_AT_ONCE, resamples - start)
        rows = rng.integers(0, n, (draws, n))
        yield np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)


def figures(y: Labels, p: Scores, weights: Numbers) -> dict[str, Scores]:
    """Figures of each draw, shape (n_draws,), by their names in `model.metrics.Report`.

    Args:
        y: labels, shape (n_claims,), 1 is fraud.
        p: fraud probabilities, shape (n_claims,).
        weights: how often each claim was drawn, shape (n_draws, n_claims).
    """
    # Tied claims form one level; levels go from the highest score down.
    order = np.argsort(-p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=np.inf))
    drawn = np.add.reduceat(weights[:, order], starts, axis=1)
    fraud = np.add.reduceat((weights * y)[:, order], starts, axis=1)
    above, frauds_above = np.cumsum(drawn, axis=1), np.cumsum(fraud, axis=1)
    total, frauds = above[:, -1], frauds_above[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):  # undefined figures are NaN
        # Pairs of a fraud and an honest claim in the right order; ties count half.
        pairs = ((drawn - fraud) * (frauds_above - fraud / 2)).sum(axis=1)
        precision = frauds_above / np.maximum(above, 1)
        return {
            "roc_auc": pairs / (frauds * (total - frauds)),
            "average_precision": (fraud * precision).sum(axis=1) / frauds,
            "brier": weights @ (p - y) ** 2 / total,
            "recall_at_5pct": _recall_at(0.05, drawn, fraud, above) / frauds,
            "recall_at_10pct": _recall_at(0.10, drawn, fraud, above) / frauds,
        }


def _recall_at(share: float, drawn: Numbers, fraud: Numbers, above: Numbers) -> Scores:
    """Frauds within the budget; for a level that is cut, the expected share."""
    budget = share * above[:, -1:]
    taken = np.clip(budget - (above - drawn), 0, drawn) / np.maximum(drawn, 1)
    found: Scores = (fraud * taken).sum(axis=1)
    return found
