"""However large the records are, what is taken at once is bounded."""

from typing import Any, cast

import pytest
from confluent_kafka import Consumer

from consumer.kafka.portions import FEW, MOST_BYTES, take


class Held:
    """A consumer with this many records of one size, which notes what it is asked for."""

    def __init__(self, count: int, value: int, key: int = 0) -> None:
        self._left, self._value, self._key = count, value, key
        self.asked: list[tuple[int, float]] = []

    def consume(self, most: int, seconds: float) -> list[Any]:
        self.asked.append((most, seconds))
        found = min(most, self._left)
        self._left -= found
        return [_Sized(self._value, self._key)] * found


class _Sized:
    def __init__(self, value: int, key: int) -> None:
        self._value, self._key = value, bytes(key)

    def __len__(self) -> int:
        return self._value

    def key(self) -> bytes:
        return self._key


def _taken(held: Held, most: int) -> int:
    return len(take(cast(Consumer, held), most, 0.2))


@pytest.mark.parametrize(("value", "key"), [(1_000_000, 0), (0, 1_000_000), (40_000_000, 0)])
def test_what_is_taken_at_once_is_bounded_in_bytes(value: int, key: int) -> None:
    assert _taken(Held(10_000, value, key), 500) <= MOST_BYTES // 1_000_000 + 1


def test_small_records_are_taken_in_few_steps() -> None:
    held = Held(10_000, 500, 20)
    assert _taken(held, 2_000) == 2_000
    assert len(held.asked) < 10


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 700])
def test_only_the_first_few_are_waited_for(count: int) -> None:
    held = Held(count, 500)
    assert _taken(held, 2_000) == count
    assert [seconds for _, seconds in held.asked] == [0.2, *[0] * (len(held.asked) - 1)]
