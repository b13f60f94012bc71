import datetime as dt
from itertools import pairwise

import numpy as np
import pytest

from model.arrays import Indices
from model.features.facts import UNDATED
from model.training.splits import Split, cutoff_split, forward_folds, random_split, time_split

START = dt.date(2024, 1, 1)


def losses(*days: int | None) -> Indices:
    return np.array([UNDATED if d is None else START.toordinal() + d for d in days], dtype=np.int64)


def rows(split: Split) -> tuple[list[int], list[int]]:
    return split.train.tolist(), split.test.tolist()


def test_random_split_is_stratified_disjoint_and_repeatable() -> None:
    labels = np.array([1] * 60 + [0] * 940, dtype=np.int8)
    split = random_split(labels, 0.2, seed=42)
    assert sorted([*split.train, *split.test]) == list(range(1_000))
    assert (len(split.test), int(labels[split.test].sum())) == (200, 12)
    assert rows(split) == rows(random_split(labels, 0.2, seed=42))
    assert rows(split) != rows(random_split(labels, 0.2, seed=43))


@pytest.mark.parametrize(
    ("fraud", "others", "share"), [(0, 1, 0.2), (1, 50, 0.2), (9, 0, 0.2), (2, 3, 0.1), (2, 3, 0.9)]
)
def test_random_split_needs_claims_of_both_kinds_on_both_sides(
    fraud: int, others: int, share: float
) -> None:
    labels = np.array([1] * fraud + [0] * others, dtype=np.int8)
    with pytest.raises(ValueError, match=f"there are {fraud + others} claims, copies counted once"):
        random_split(labels, share, seed=42)


def test_random_split_of_the_fewest_claims() -> None:
    split = random_split(np.array([1, 1, 0, 0], dtype=np.int8), 0.5, seed=42)
    assert (len(split.train), len(split.test)) == (2, 2)


def test_time_split_tests_on_the_latest_days() -> None:
    assert rows(time_split(losses(5, 1, 4, 2, 3), 0.4)) == ([1, 3, 4], [0, 2])


def test_time_split_keeps_days_whole() -> None:
    # Three losses on day 2: testing on one or four claims is nearest to two of six.
    split = time_split(losses(0, 1, 2, 2, 2, 3), 0.34)
    assert rows(split) in (([0, 1, 2, 3, 4], [5]), ([0, 1], [2, 3, 4, 5]))


def test_time_split_trains_on_undated_claims() -> None:
    assert rows(time_split(losses(None, 3, 1, None, 2), 0.2)) == ([0, 2, 3, 4], [1])


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_time_split_refuses_a_share_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match="test_size"):
        time_split(losses(0, 1), share)


@pytest.mark.parametrize("days", [(), (None, None), (1, 1, None)])
def test_time_split_needs_two_days(days: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match=r"two days.*x-event.*occurred.*--split random"):
        time_split(losses(*days), 0.5)


def test_cutoff_day_belongs_to_the_test_side() -> None:
    cut = START + dt.timedelta(days=2)
    assert rows(cutoff_split(losses(2, 1, None, 3), cut)) == ([1, 2], [0, 3])


@pytest.mark.parametrize("day", [0, 9])
def test_cutoff_that_leaves_a_side_empty_is_refused(day: int) -> None:
    with pytest.raises(ValueError, match="leaves"):
        cutoff_split(losses(0, 1, 2), START + dt.timedelta(days=day))


def test_forward_folds_train_on_the_past_only() -> None:
    days = losses(*[i % 100 for i in range(1_000)], None)
    folds = forward_folds(days, 4, first=0.4)
    assert len(folds) == 4
    for split in folds:
        tested = {*days[split.test].tolist()}
        trained = {*days[split.train].tolist()} - {UNDATED}
        assert max(trained) < min(tested - {UNDATED})
        assert UNDATED not in tested
        assert 1_000 in split.train
        assert 140 <= len(split.test) <= 160
    for before, after in pairwise(folds):
        assert set(after.train) == {*before.train, *before.test}
    assert len(folds[-1].train) + len(folds[-1].test) == 1_001


def test_forward_folds_need_enough_days() -> None:
    with pytest.raises(ValueError, match="too few days"):
        forward_folds(losses(0, 0, 1, 1), 4)
    with pytest.raises(ValueError, match="too few days"):
        forward_folds(losses(None), 1)
