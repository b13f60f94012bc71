"""However large the records are, what is taken at once is bounded."""

from typing import cast

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumer.kafka.portions import FEW, MOST_BYTES, take
from tests.harness.kafka import FakeBroker, FakeConsumer, FakeMessage, Log


def held(count: int, value: int, key: int = 0) -> FakeConsumer:
    """A consumer with so many records of one size."""
    broker = FakeBroker()
    large, long = bytes(value), bytes(key)
    broker.logs["claims", 0] = Log(0, count, lambda n: FakeMessage(large, n, key=long))
    made = FakeConsumer(broker)
    made.assign([TopicPartition("claims", 0, 0)])
    return made


def _taken(consumer: FakeConsumer, most: int) -> int:
    return len(take(cast(Consumer, consumer), most, 0.2))


@pytest.mark.parametrize(("value", "key"), [(1_000_000, 0), (0, 1_000_000), (40_000_000, 0)])
def test_what_is_taken_at_once_is_bounded_in_bytes(value: int, key: int) -> None:
    assert _taken(held(10_000, value, key), 500) <= MOST_BYTES // 1_000_000 + 1


def test_small_records_are_taken_in_few_steps() -> None:
    consumer = held(10_000, 500, 20)
    assert _taken(consumer, 2_000) == 2_000
    assert len(consumer.asked) < 10


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 700])
def test_only_the_first_few_are_waited_for(count: int) -> None:
    consumer = held(count, 500)
    assert _taken(consumer, 2_000) == count
    assert [seconds for _, seconds in consumer.asked] == [0.2, *[0] * (len(consumer.asked) - 1)]
