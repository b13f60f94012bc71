"""The dead-letter budget, against a plain model of what it promises."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import DeadLetterBudgetError
from consumer.settings.settings import Settings
from consumer.worker.dead_letter_budget import DeadLetterBudget

Batch = tuple[int, int]


def budget(ratio: float = 0.5, window: int = 100, consecutive: int = 1_000) -> DeadLetterBudget:
    return DeadLetterBudget(
        Settings(
            instance_id="w",
            dead_letter_max_ratio=ratio,
            dead_letter_window=window,
            dead_letter_max_consecutive=consecutive,
        )
    )


def test_a_share_above_the_ratio_stops() -> None:
    made = budget(0.5, window=100)
    made.check(100, 50)
    with pytest.raises(DeadLetterBudgetError, match=r"51 of the last 100 .*MAX_RATIO=0\.5") as why:
        made.check(100, 51)
    assert why.value.exit_code == 6
    assert "nothing is lost" in str(why.value)


def test_no_verdict_before_the_window_is_full() -> None:
    made = budget(0.1, window=100)
    made.check(99, 98)
    with pytest.raises(DeadLetterBudgetError):
        made.check(1, 0)


def test_what_left_the_window_is_forgotten() -> None:
    made = budget(0.5, window=100)
    made.check(100, 50)
    for _ in range(10):
        made.check(50, 25)
    made.check(100, 0)
    made.check(1, 1)


def test_a_run_of_bad_records_stops() -> None:
    made = budget(1.0, consecutive=10)
    made.check(9, 9)
    with pytest.raises(DeadLetterBudgetError, match=r"last 10 records .*MAX_CONSECUTIVE=10"):
        made.check(1, 1)


def test_a_good_record_ends_the_run() -> None:
    made = budget(1.0, consecutive=10)
    for _ in range(5):
        made.check(9, 9)
        made.check(2, 1)


def test_a_rewind_makes_what_was_counted_void() -> None:
    made = budget(0.5, window=100, consecutive=150)
    made.check(99, 99)
    made.void()
    made.check(99, 99)
    made.void()
    made.check(100, 50)


def test_a_ratio_of_one_never_stops() -> None:
    made = budget(1.0, window=1, consecutive=1_000_000)
    for _ in range(100):
        made.check(10, 10)


def verdict(batches: Sequence[Batch], ratio: float, window: int, consecutive: int) -> bool:
    """True if the last batch is over the budget, computed from the whole history."""
    run = 0
    for records, refused in batches:
        run = run + refused if refused == records else 0
    total = bad = 0
    for records, refused in reversed(batches):
        total, bad = total + records, bad + refused
        if total >= window:
            break
    return run >= consecutive or (total >= window and bad > ratio * total)


batch = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(
    st.lists(batch, min_size=1, max_size=30),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
    st.integers(1, 120),
    st.integers(1, 120),
)
def test_it_stops_exactly_when_promised(
    batches: list[Batch], ratio: float, window: int, consecutive: int
) -> None:
    made = budget(ratio, window, consecutive)
    for index, (records, refused) in enumerate(batches):
        if verdict(batches[: index + 1], ratio, window, consecutive):
            with pytest.raises(DeadLetterBudgetError):
                made.check(records, refused)
            return
        made.check(records, refused)
