"""The worker as releases before the eager assignor had it: ``cooperative-sticky``."""

import sys

from confluent_kafka import Consumer, TopicPartition

from consumer.__main__ import main
from consumer.intake import source
from consumer.kafka.client import Config, consumer_config
from consumer.settings.settings import Settings


def config(settings: Settings) -> Config:
    return {**consumer_config(settings), "partition.assignment.strategy": "cooperative-sticky"}


def assign(consumer: Consumer, partitions: list[TopicPartition], _: str) -> None:
    consumer.incremental_assign(partitions)


def unassign(consumer: Consumer, partitions: list[TopicPartition], _: str) -> None:
    consumer.incremental_unassign(partitions)


if __name__ == "__main__":
    for replaced, by in (("consumer_config", config), ("assign", assign), ("unassign", unassign)):
        assert hasattr(source, replaced)
        setattr(source, replaced, by)
    sys.exit(main())
