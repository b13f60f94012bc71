"""How far a view is behind the log."""

from collections.abc import Mapping

from consumer.memory.tail import Behind


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_view_at_the_end_is_not_behind() -> None:
    clock = Clock()
    behind = Behind(clock)
    clock.now += 5
    behind.look({0: 7}, lambda: {0: 7, 1: 0})
    assert behind.ms == 0


def test_it_is_behind_by_the_age_of_the_moment_of_which_it_has_everything() -> None:
    clock = Clock()
    behind = Behind(clock)
    ends: Mapping[int, int] = {0: 7, 1: 4}

    behind.look({}, lambda: ends)  # notes 7 and 4, at 100
    clock.now += 2
    behind.look({0: 7, 1: 3}, lambda: ends)
    assert behind.ms == 2_000, "not everything of the moment that was noted"
    clock.now += 1
    later = {0: 9, 1: 4}
    behind.look({0: 8, 1: 4}, lambda: later)
    assert behind.ms == 3_000, "everything that there was at 100; of what came later not all"
    clock.now += 1
    behind.look({0: 9, 1: 4}, lambda: later)
    assert behind.ms == 0


def test_it_grows_while_nothing_can_be_read() -> None:
    """An open transaction holds back every view; the end of the log is behind it."""
    clock = Clock()
    behind = Behind(clock)
    behind.look({0: 5}, lambda: {0: 9})
    for seconds in range(1, 16):
        clock.now += 1
        behind.look({0: 5}, lambda: {0: 99})
        assert behind.ms == 1_000 * seconds
