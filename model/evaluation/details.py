"""A more detailed evaluation of scores: intervals, calibration, months, groups.

Pure functions of claims, labels and scores; their result is stored as ``evaluation.json``.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from model.arrays import Labels, Scores
from model.datasets.dataset import Dataset
from model.evaluation.bootstrap import Interval, intervals
from model.evaluation.caught import Caught, caught
from model.evaluation.fairness import ProtectedGroup, groups
from model.evaluation.importance import Importance
from model.evaluation.memory import MemoryGain
from model.evaluation.segments import Segment, segments
from model.evaluation.walk_forward import months_of
from model.leaks.check import LeakCheck
from model.metrics import Report, evaluate, recall_at

BUDGETS: Final = (0.01, 0.05, 0.10)
RELIABILITY_BINS: Final = 10


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of about the same score: predicted and observed shares of fraud."""

    n: int
    predicted: float
    observed: float


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The highest-scoring share of claims: how many were frauds, and how many of all frauds."""

    share: float
    precision: float
    recall: float | None


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """Claims with losses in one calendar month; budgets refer to that month's claims."""

    month: str
    n: int
    frauds: int
    budgets: tuple[Budget, ...]


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation in detail."""

    report: Report
    intervals: dict[str, Interval]
    reliability: tuple[ReliabilityBin, ...]
    calibration_error: float
    months: tuple[Month, ...]
    groups: tuple[ProtectedGroup, ...]
    segments: tuple[Segment, ...] = ()
    leaks: LeakCheck | None = None
    """The leak alarm's result for the training claims; None if it did not run."""
    importance: tuple[Importance, ...] = ()
    """Of the features in use, on these claims; empty if it was not measured."""
    too_little_known: float | None = None
    """Share of these claims with that flag, 0 to 1; None where it was not measured."""
    caught: Caught | None = None
    """At the threshold; None in evaluations of earlier releases."""
    memory: MemoryGain | None = None
    """What history adds; None for a model without it."""


def details(dataset: Dataset, p: Scores, threshold: float, *, seed: int = 42) -> Details:
    """The complete evaluation of these scores.

    Args:
        dataset: the scored claims and their labels.
        p: fraud probabilities, shape (n_claims,).
        threshold: claims at or above it count as referred.
        seed: of the resampling.
    """
    y, bins = dataset.labels, reliability(dataset.labels, p)
    return Details(
        report=evaluate(y, p, threshold),
        intervals=intervals(y, p, groups=dataset.groups, seed=seed),
        reliability=bins,
        calibration_error=calibration_error(bins),
        months=months(dataset, p),
        groups=groups(dataset, p, threshold),
        segments=segments(dataset, p, threshold),
        caught=caught(dataset, p, threshold),
    )


def reliability(y: Labels, p: Scores, bins: int = RELIABILITY_BINS) -> tuple[ReliabilityBin, ...]:
    """Claims in bins of about equal size by score; claims with the same score share a bin."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, p, side="left")
    return tuple(
        ReliabilityBin(
            n=int(inside.sum()), predicted=float(p[inside].mean()), observed=float(y[inside].mean())
        )
        for inside in (place == i for i in range(len(edges) + 1))
        if inside.any()
    )


def calibration_error(bins: Iterable[ReliabilityBin]) -> float:
    """Mean distance between predicted and observed, by claims (expected calibration error).

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015; here with bins of equal size.
    """
    found = tuple(bins)
    return sum(b.n * abs(b.predicted - b.observed) for b in found) / sum(b.n for b in found)


def months(dataset: Dataset, p: Scores) -> tuple[Month, ...]:
    """Budgets by the calendar month of the event; claims without a day are omitted."""
    names, y = months_of(dataset.days), dataset.labels
    return tuple(
        _month(name, y[names == name], p[names == name]) for name in np.unique(names) if name
    )


def _month(name: str, y: Labels, p: Scores) -> Month:
    return Month(
        month=str(name),
        n=len(y),
        frauds=int(y.sum()),
        budgets=tuple(budget(y, p, share) for share in BUDGETS),
    )


def budget(y: Labels, p: Scores, share: float) -> Budget:
    """The budget's precision and recall; ties at the cut count with their expected share."""
    recall = recall_at(y, p, share)
    found = (recall or 0.0) * float(y.sum())
    return Budget(share=share, precision=found / (share * len(y)), recall=recall)
