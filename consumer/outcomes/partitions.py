"""Reading topics from their beginning, without a group."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from consumer.kafka.client import kafka_error

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 30.0
LOOK_EVERY_S: Final = 10.0


class EveryPartition:
    """All partitions of some topics, including those added later, from their beginning."""

    def __init__(self, consumer: Consumer, topics: Iterable[str]) -> None:
        self._consumer = consumer
        self._topics = tuple(topics)
        self._known: set[tuple[str, int]] = set()
        self._due = 0.0

    @property
    def count(self) -> int:
        """How many are read."""
        return len(self._known)

    def look(self) -> None:
        """Start reading new partitions, if a check is due.

        Raises:
            KafkaException: Kafka refuses, or a topic is gone.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        found = {(topic, p) for topic in self._topics for p in self._of(topic)} - self._known
        if found:
            self._consumer.incremental_assign(
                [TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(found)]
            )
            self._known |= found

    def _of(self, topic: str) -> Iterable[int]:
        try:
            found = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        except KafkaException as error:
            if not self._known:
                raise
            log.warning(
                "could not check for new partitions of %s: %s", topic, kafka_error(error).str()
            )
            return ()
        if found.error is not None and not found.error.retriable():
            raise KafkaException(found.error)
        return list(found.partitions)
