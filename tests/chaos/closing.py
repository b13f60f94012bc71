"""A separate process that joins a group, never polls, and closes once it has partitions.

A separate process so that a hang, or a crash in the client library, ends with it.
"""

import os

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from consumer.intake.source import ClaimSource
from consumer.settings.settings import read_settings
from tests.broker import wait
from tests.consumer.fakes import Trusting


def _assigned(admin: AdminClient, group: str) -> bool:
    try:
        described = admin.describe_consumer_groups([group], request_timeout=5)[group].result(10)
    except (KafkaException, TimeoutError):  # the group's coordinator is still being made
        return False
    return described.state == ConsumerGroupState.STABLE and any(
        member.assignment.topic_partitions for member in described.members
    )


def main() -> None:
    settings = read_settings(os.environ)
    source = ClaimSource(settings, lambda: None, lambda: False, Trusting(), lambda _: None)
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    # The assignment is there, and its callback waits for a poll that does not come.
    wait.until(lambda: _assigned(admin, settings.consumer_group), "the assignment")
    source.close()


if __name__ == "__main__":
    main()
