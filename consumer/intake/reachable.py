"""Whether the claims topic can be written to, asked in the background for a readiness check."""

import logging
import threading
from contextlib import AbstractContextManager
from typing import Final, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin._metadata import ClusterMetadata

from consumer.background import in_background
from consumer.kafka.client import kafka_error, last_reason

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
ASK_S: Final = 2.0


class AsksForTopics(Protocol):
    """The part of a client that is used here."""

    def list_topics(self, topic: str, timeout: float) -> ClusterMetadata: ...  # noqa: D102


class Reachable:
    """What Kafka last said about a topic."""

    def __init__(self, client: AsksForTopics, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._fault: str | None = None
        self._stopping = threading.Event()

    def fault(self) -> str | None:
        """A readiness check: Kafka answers, and the topic has a leader."""
        return self._fault

    def watched(self) -> AbstractContextManager[None]:
        """Ask while the body runs."""
        return in_background(self._watch, "reachable", self._stopping)

    def ask(self) -> None:
        """Ask now; waits for at most `ASK_S`."""
        try:
            topic = self._client.list_topics(self._topic, timeout=ASK_S).topics.get(self._topic)
        except KafkaException as error:
            self._note("Kafka does not answer", kafka_error(error).str() + last_reason())
            return
        if topic is None or topic.error is not None:
            self._note(f"no topic {self._topic}", str(topic and topic.error))
        elif all(partition.leader < 0 for partition in topic.partitions.values()):
            self._note(f"no partition of {self._topic} has a leader", "all brokers of it are down")
        else:
            self._fault = None

    def _note(self, fault: str, why: str) -> None:
        if fault != self._fault:
            log.warning("%s: %s", fault, why)
        self._fault = fault

    def _watch(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.ask()
