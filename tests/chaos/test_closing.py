"""A worker that is told to stop in the middle of a rebalance stops at once."""

import threading

import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from consumer.settings import read_settings
from consumer.source import ClaimSource
from tests.broker import wait
from tests.conftest import NewTopic

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_partitions_assigned_while_closing_do_not_hold_it_up(
    kafka: str, new_topic: NewTopic, protocol: str
) -> None:
    topic = new_topic(partitions=4)
    settings = read_settings(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "CLAIMS_TOPIC": topic,
            "CONSUMER_GROUP": topic,
            "KAFKA_GROUP_PROTOCOL": protocol,
        }
    )
    source = ClaimSource(settings, lambda: None, lambda: False)
    admin = AdminClient({"bootstrap.servers": kafka})
    # The assignment is there, and its callback waits for a poll that does not come.
    wait.until(lambda: _assigned(admin, topic), "the assignment")
    closing = threading.Thread(target=source.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive(), "closing hangs"


def _assigned(admin: AdminClient, group: str) -> bool:
    try:
        described = admin.describe_consumer_groups([group], request_timeout=5)[group].result(10)
    except (KafkaException, TimeoutError):  # the group's coordinator is still being made
        return False
    return described.state == ConsumerGroupState.STABLE and any(
        member.assignment.topic_partitions for member in described.members
    )
