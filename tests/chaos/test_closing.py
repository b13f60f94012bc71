"""A worker that leaves in the middle of a rebalance leaves at once."""

import threading

import pytest
from confluent_kafka import Consumer

from consumer.settings import Settings, read_settings
from consumer.source import ClaimSource
from tests.broker import wait
from tests.conftest import NewTopic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def settings(kafka: str, topic: str) -> Settings:
    return read_settings(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "CLAIMS_TOPIC": topic,
            "CONSUMER_GROUP": topic,
            "INSTANCE_ID": "first",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
        }
    )


def test_closing_while_partitions_are_assigned_does_not_hang(
    kafka: str, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=4)
    source = ClaimSource(settings(kafka, topic), lambda: None, lambda: False)
    wait.until(lambda: source.poll().rebalanced and len(source.assigned) == 4, "the assignment")
    other = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": topic,
            "group.instance.id": "second",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6000,
        }
    )
    other.subscribe([topic])
    wait.until(lambda: source.poll().rebalanced and len(source.assigned) == 2, "half a rebalance")
    other.close()  # static: the broker waits for it until its session ends, and `source` with it
    closing = threading.Thread(target=source.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive(), "closing hangs"
