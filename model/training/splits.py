"""Leak-free splits: row indices for training and test, by label or by time.

Each function returns (training, test): sorted int64 indices, shapes (n_train,) and (n_test,), with
no row in both. Time is the day of the event (`model.features.facts.event_days`), and no day is ever
on both sides of a split. A claim without a day cannot be known to come after the training period,
so it is never tested on: it belongs to training.

Copies of a claim (`groups`, as found by `duplicates.groups_of`) stay on one side. If their
days differ, the latest counts for all: nothing after the cut is trained on.
"""

import datetime as dt
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, train_test_split

from model.arrays import Indices, Labels
from model.datasets.duplicates import group_labels, rows_of
from model.features.facts import UNDATED


class Split(NamedTuple):
    """Row indices of the two sides."""

    train: Indices
    test: Indices


def random_split(
    labels: Labels, test_size: float, seed: int, groups: Indices | None = None
) -> Split:
    """Split at random, stratified by label.

    Args:
        labels: shape (n_claims,), 0 or 1.
        test_size: share of the claims (or groups) to test on, strictly between 0 and 1.
        seed: the same seed gives the same split.
        groups: of each claim; None if there are no copies.

    Raises:
        ValueError: a share out of range, or too few claims of either label.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    merged = group_labels(labels, groups)
    rarest = int(np.bincount(merged, minlength=2).min())
    tested = math.ceil(test_size * len(merged))
    if rarest < 2 or not 2 <= tested <= len(merged) - 2:
        raise ValueError(
            f"both sides of a split need frauds and other claims: there are {len(merged)} claims, "
            f"copies counted once, {rarest} of the rarer kind, and {tested} would be tested on"
        )
    train, test = train_test_split(
        np.arange(len(merged)), test_size=test_size, random_state=seed, stratify=merged
    )
    return Split(rows_of(train, groups), rows_of(test, groups))


def stratified_folds(labels: Labels, folds: int, seed: int, groups: Indices) -> list[Split]:
    """Every claim is tested on once, and trained on in all other splits.

    There are fewer folds if a label has fewer groups than that.

    Args:
        labels: shape (n_claims,), 0 or 1.
        folds: at most this many.
        seed: the same seed gives the same folds.
        groups: of each claim.

    Raises:
        ValueError: fewer than two groups with a fraud, or without one.
    """
    merged = group_labels(labels, groups)
    rarest = int(np.bincount(merged, minlength=2).min())
    if rarest < 2:
        raise ValueError(
            "training needs at least two frauds and two other claims, copies counted once"
        )
    kind = StratifiedKFold(min(folds, rarest), shuffle=True, random_state=seed)
    return [
        Split(rows_of(train, groups), rows_of(test, groups))
        for train, test in kind.split(merged, merged)
    ]


def time_split(days: Indices, test_size: float, groups: Indices | None = None) -> Split:
    """Test on the latest claims, whole days at a time.

    The share tested on is as close to ``test_size`` as whole days allow.

    Raises:
        ValueError: a share out of range, or losses on fewer than two days.
    """
    if not 0 < test_size < 1:
        raise ValueError(f"test_size {test_size} is not between 0 and 1")
    days = _latest(days, groups)
    return _split_at(days, _nearest_cut(days, test_size * len(days)))


def cutoff_split(days: Indices, cutoff: dt.date, groups: Indices | None = None) -> Split:
    """Test on losses on or after ``cutoff``.

    Raises:
        ValueError: one side would be empty.
    """
    split = _split_at(_latest(days, groups), cutoff.toordinal())
    if not len(split.train) or not len(split.test):
        raise ValueError(
            f"{cutoff} leaves {len(split.train)} to train on, {len(split.test)} to test on"
        )
    return split


def forward_folds(
    days: Indices, folds: int, first: float = 0.5, groups: Indices | None = None
) -> list[Split]:
    """Splits for validation that train on the past only.

    The first ``first`` of the dated claims are never tested on; the rest is divided into ``folds``
    consecutive windows of about equal size. Each window is tested on once, after training on
    everything before it.

    Raises:
        ValueError: not enough distinct days for that many windows.
    """
    days = _latest(days, groups)
    dated = np.sort(days[days != UNDATED])
    shares = np.linspace(first, 1, folds + 1)[:-1]
    starts = [int(dated[int(share * len(dated))]) for share in shares] if len(dated) else []
    if len(set(starts)) < folds or (starts and starts[0] == dated[0]):
        raise ValueError(f"there are losses on too few days for {folds} windows")
    ends = [*starts[1:], int(dated[-1]) + 1]
    return [_window(days, start, end) for start, end in zip(starts, ends, strict=True)]


def _latest(days: Indices, groups: Indices | None) -> Indices:
    """The day of each claim, or of its latest copy."""
    if groups is None:
        return days
    latest = np.full(int(groups.max(initial=-1)) + 1, UNDATED)
    np.maximum.at(latest, groups, days)
    return latest[groups]


def _nearest_cut(days: npt.NDArray[np.int64], wanted: float) -> int:
    candidates, counts = np.unique(days[days != UNDATED], return_counts=True)
    if len(candidates) < 2:
        raise ValueError(
            "losses on fewer than two days: nothing to split by. The contract says under x-event "
            "which field is the day of the loss (occurred); --split random needs no days"
        )
    tested = counts[::-1].cumsum()[::-1]
    # The earliest day is not a candidate: it would leave nothing dated to train on.
    return int(candidates[1:][np.abs(tested[1:] - wanted).argmin()])


def _split_at(days: npt.NDArray[np.int64], cut: int) -> Split:
    return _window(days, cut, int(days.max(initial=0)) + 1)


def _window(days: npt.NDArray[np.int64], start: int, end: int) -> Split:
    return Split(np.flatnonzero(days < start), np.flatnonzero((days >= start) & (days < end)))
