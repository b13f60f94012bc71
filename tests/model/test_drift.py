"""Population stability index and the bins it compares."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.drift import SCORE, Window, code_bins, noise, number_bins, psi


@pytest.fixture
def rng() -> np.random.Generator:
    """Each test draws the same numbers whichever others run."""
    return np.random.default_rng(0)


def test_the_index_of_a_hand_made_shift() -> None:
    # Half a claim in each bin: shares 0.25 and 0.75 turned round.
    old, new = [499_999, 1_499_999], [1_499_999, 499_999]
    assert psi(old, new) == pytest.approx(2 * 0.5 * math.log(3), rel=1e-5)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6))
def test_the_index_is_zero_without_change_and_never_negative(counts: list[int]) -> None:
    assert psi(counts, counts) == 0
    assert psi(counts, counts[::-1]) >= 0
    assert math.isfinite(psi(counts, [0] * len(counts)))


def test_bins_of_numbers_hold_about_equally_many_and_missing_apart(
    rng: np.random.Generator,
) -> None:
    values = np.append(rng.normal(size=1000), [np.nan] * 50)
    bins = number_bins(values)
    assert len(bins.counts) == 11
    assert bins.counts[-1] == 50
    assert all(90 <= count <= 110 for count in bins.counts[:-1])


def test_repeated_values_make_fewer_bins() -> None:
    bins = number_bins(np.array([0.0] * 90 + [1.0] * 30 + [7.0]))
    assert bins.edges == (1.0,)
    assert bins.counts == (90, 31, 0)
    assert number_bins(np.array([np.nan, np.nan])).counts == (0, 2)


def test_bins_of_codes() -> None:
    bins = code_bins(np.array([0.0, 0, 1, 2, np.nan]), known=3)
    assert bins.counts == (0, 2, 1, 1, 1)  # unknown, three categories, missing
    assert bins.count(np.array([-1.0, -1, 2])).tolist() == [2, 0, 0, 1, 0]


def window(rng: np.random.Generator) -> Window:
    return Window(
        {
            "claim_amount": number_bins(rng.lognormal(size=2000)),
            "fault": code_bins(rng.integers(0, 2, 2000).astype(float), known=2),
            SCORE: number_bins(rng.beta(1, 15, size=2000)),
        }
    )


def batch(
    rng: np.random.Generator, size: int, *, shift: float = 0.0
) -> tuple[np.ndarray, list[str], np.ndarray]:
    amount = rng.lognormal(shift, size=size)
    fault = rng.integers(0, 2, size).astype(float)
    return np.stack([amount, fault], axis=1), ["claim_amount", "fault"], rng.beta(1, 15, size=size)


def test_a_window_tells_the_column_that_moved(rng: np.random.Generator) -> None:
    seen = window(rng)
    assert seen.index() == {}
    for _ in range(4):
        seen.add(*batch(rng, 500, shift=1.0))
    index = seen.index()
    assert seen.claims == 2000
    assert index["claim_amount"] > 0.25
    assert index["fault"] < 0.05
    assert index[SCORE] < 0.05


def test_two_batches_count_as_one_of_both(rng: np.random.Generator) -> None:
    one = window(rng)
    two = Window(one._reference)
    matrix, names, p = batch(rng, 600, shift=0.5)
    one.add(matrix, names, p)
    two.add(matrix[:100], names, p[:100])
    two.add(matrix[100:], names, p[100:])
    assert two.index() == pytest.approx(one.index())


def test_a_cleared_window_forgets(rng: np.random.Generator) -> None:
    seen = window(rng)
    seen.add(*batch(rng, 500, shift=3.0))
    seen.clear()
    assert seen.index() == {}
    seen.add(*batch(rng, 2000))
    assert seen.index()["claim_amount"] < 0.05


def test_noise_bounds_the_index_of_no_drift_most_of_the_time(rng: np.random.Generator) -> None:
    reference = rng.normal(size=5000)
    bins = number_bins(reference)
    found = [psi(bins.counts, bins.count(rng.normal(size=500))) for _ in range(300)]
    share = np.mean(np.array(found) < noise(10, 5000, 500))
    assert 0.9 < share < 1
