"""Publishes outcomes: what DELIVERY promises, and the choice between its two modes."""

from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import KafkaException, TopicPartition

from consumer.errors import AbortedError
from consumer.kafka.client import kafka_error, stopped, transactional_id
from consumer.kafka.producing import MakeProducer, make_producer, partitions
from consumer.kafka.receipts import Receipts
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.publishing.reports import is_too_large
from consumer.publishing.sizes import Sizes
from consumer.publishing.transactions import ExactlyOnce
from consumer.settings.settings import Delivery, Settings


class Publisher(Protocol):
    """Publishes the outcomes of batches, in order."""

    def publish(
        self, publication: Publication, group_metadata: Any, done: Callable[[], None]
    ) -> None:
        """Publish the records and their offsets; `done` is called once they are committed.

        Raises:
            AbortedError: these, or those before them, were not committed.
            KafkaStoppedError: Kafka does not let it continue.
        """

    def busy(self) -> bool:
        """True if what is published now would have to wait for the previous one."""

    def alone(self) -> bool:
        """True if each record is sent separately, as some may not fit: batches should be small."""

    def settle(self) -> None:
        """Wait until nothing is in flight.

        Raises:
            AbortedError: what was in flight was not committed.
        """

    def sweep(self) -> None:
        """End what an earlier process with this worker's transactional id left open.

        Raises:
            AbortedError: what was in flight was not committed, or the sweep failed.
            KafkaStoppedError: Kafka does not let it continue.
        """

    def close(self) -> None:
        """Close the connection without settling anything."""


class AtLeastOnce:
    """Alerts and dead letters acknowledged by the brokers before the offsets are committed."""

    def __init__(
        self,
        settings: Settings,
        watchdog: Watchdog,
        commit: Callable[[list[TopicPartition]], None],
        leftovers: Leftovers,
        make: MakeProducer = make_producer,
    ) -> None:
        self._settings = settings
        self._watchdog = watchdog
        self._commit = commit
        self._leftovers = leftovers
        self._sizes = Sizes(settings)
        self._make = make
        self._producer = make(settings)

    def publish(
        self, publication: Publication, group_metadata: Any, done: Callable[[], None]
    ) -> None:
        """Produce, wait for every acknowledgement, commit; see `Publisher.publish`."""
        if self._sizes.relax():
            self._producer = self._make(self._sizes.settings)
        try:
            with self._watchdog.step("produce"):
                self._sizes.queue(self._producer, publication)
            with self._watchdog.step("flush"):
                self._producer.flush()
            self._sizes.check_delivered()
        except KafkaException as error:
            self._give_up(error)
        self._sizes.committed()
        with self._watchdog.step("commit"):
            try:
                self._commit(partitions(publication.offsets))
            except KafkaException as error:
                raise AbortedError(str(error)) from error
        done()

    def _give_up(self, error: KafkaException) -> None:
        if not is_too_large(kafka_error(error)):
            raise stopped(error, "publishing") from error
        with self._watchdog.step("flush"):
            self._producer.flush()
        refused = self._sizes.refused(error)
        self._producer = self._make(self._sizes.settings)
        raise refused from error

    def busy(self) -> bool:
        """Never between two batches."""
        return False

    def alone(self) -> bool:
        """See `Publisher.alone`."""
        return self._sizes.alone

    def settle(self) -> None:
        """Nothing is ever in flight between two batches."""

    def sweep(self) -> None:
        """Leftovers from when DELIVERY was exactly-once; see `Publisher.sweep`."""
        try:
            self._leftovers.sweep_as(transactional_id(self._settings))
        except KafkaException as error:
            raise stopped(error, "ending an open transaction") from error

    def close(self) -> None:
        """Everything published has already been acknowledged."""


def make_publisher(
    settings: Settings,
    watchdog: Watchdog,
    commit: Callable[[list[TopicPartition]], None],
    receipts: Receipts,
    leftovers: Leftovers,
) -> Publisher:
    """The publisher that DELIVERY requires."""
    if settings.delivery is Delivery.EXACTLY_ONCE:
        return ExactlyOnce(settings, watchdog, receipts, leftovers)
    return AtLeastOnce(settings, watchdog, commit, leftovers)
