"""Outcomes out: exactly once in a transaction with the offsets, or at least once before them."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from consumer.batch import Outcome
from consumer.client import (
    kafka_error,
    producer_config,
    refused_property,
    report_client_error,
    stopped,
)
from consumer.errors import KafkaStoppedError
from consumer.records import Record
from consumer.settings import Delivery, Settings
from consumer.watchdog import Watchdog

log = logging.getLogger(__name__)

INIT_ATTEMPTS: Final = 10


class AbortedError(Exception):
    """Nothing of the batch was published, or it is unknown: rewind to what is committed."""


class Publisher(Protocol):
    """Publishes the outcomes of batches, in order."""

    def publish(self, outcome: Outcome, group_metadata: Any, done: Callable[[], None]) -> None:
        """Publish one outcome and its offsets; `done` is called once they are committed.

        Raises:
            AbortedError: this outcome, or the one before it, was not committed.
            KafkaStoppedError: Kafka refuses to go on.
        """

    def busy(self) -> bool:
        """Whether an outcome published now would have to wait for the one before it."""

    def settle(self) -> None:
        """Wait until nothing is under way.

        Raises:
            AbortedError: what was under way was not committed.
        """

    def close(self) -> None:
        """Settle nothing and let go of the connection."""


class ExactlyOnce:
    """Alerts, dead letters and offsets in one transaction per batch.

    The commit runs in a thread of its own while the worker decodes and scores the next batch
    (the client releases the interpreter lock): at most one transaction is under way.
    """

    def __init__(self, settings: Settings, watchdog: Watchdog) -> None:
        self._settings = settings
        self._watchdog = watchdog
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._under_way: Future[None] | None = None
        self._timeout = settings.step_timeout_s / 2
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        producer = make_producer(self._settings)
        for _ in range(INIT_ATTEMPTS):
            try:
                with self._watchdog.step("init_transactions"):
                    producer.init_transactions(self._timeout)
                return producer
            except KafkaException as error:
                if not kafka_error(error).retriable():
                    raise stopped(error, "starting the transactional producer") from error
                log.warning(
                    "waiting for Kafka at %s: %s",
                    self._settings.kafka_bootstrap_servers,
                    kafka_error(error).str(),
                )
        raise KafkaStoppedError(
            f"no transaction coordinator at {self._settings.kafka_bootstrap_servers}"
        )

    def publish(self, outcome: Outcome, group_metadata: Any, done: Callable[[], None]) -> None:
        """Publish in one transaction, after the one before it; see `Publisher.publish`."""
        self.settle()
        try:
            with self._watchdog.step("produce"):
                self._producer.begin_transaction()
                produce(self._producer, self._settings.alerts_topic, outcome.alerts)
                produce(self._producer, self._settings.dead_letter_topic, outcome.dead_letters)
        except KafkaException as error:
            self._give_up(error)
        self._under_way = self._committer.submit(
            self._commit, partitions(outcome.offsets), group_metadata, done
        )

    def _commit(
        self, offsets: list[TopicPartition], group_metadata: Any, done: Callable[[], None]
    ) -> None:
        with self._watchdog.step("send_offsets_to_transaction"):
            self._producer.send_offsets_to_transaction(offsets, group_metadata, self._timeout)
        with self._watchdog.step("commit_transaction"):
            self._producer.commit_transaction(self._timeout)
        done()

    def busy(self) -> bool:
        """Whether a commit is under way; see `Publisher.busy`."""
        return self._under_way is not None and not self._under_way.done()

    def settle(self) -> None:
        """Wait for the commit under way; see `Publisher.settle`."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        try:
            under_way.result()
        except KafkaException as error:
            self._give_up(error)

    def _give_up(self, error: KafkaException) -> None:
        """Abort what can be aborted, discard the producer when the outcome is unknown.

        Raises:
            AbortedError: always, unless the error is fatal (KafkaStoppedError).
        """
        inner = kafka_error(error)
        if inner.fatal() or inner.code() in HOPELESS:
            raise stopped(error, "publishing") from error
        log.warning("transaction given up: %s: %s", inner.name(), inner.str())
        if not (inner.txn_requires_abort() and self._aborted()):
            self._discard()
        raise AbortedError(inner.str()) from error

    def _aborted(self) -> bool:
        try:
            with self._watchdog.step("abort_transaction"):
                self._producer.abort_transaction(self._timeout)
        except KafkaException as error:
            if kafka_error(error).fatal():
                raise stopped(error, "aborting") from error
            return False
        return True

    def _discard(self) -> None:
        # init_transactions on a new producer with the same id completes or aborts what the old
        # one left behind; reusing the old one after an unknown outcome could commit twice.
        log.warning("transactional producer discarded: its last outcome is unknown")
        self._producer.purge()
        self._producer = self._new_producer()

    def close(self) -> None:
        """Let go; an open transaction is aborted by the broker or the next start."""
        self._committer.shutdown(wait=True)


class AtLeastOnce:
    """Alerts and dead letters acknowledged by the brokers before the offsets are committed."""

    def __init__(
        self,
        settings: Settings,
        watchdog: Watchdog,
        commit: Callable[[list[TopicPartition]], None],
    ) -> None:
        self._settings = settings
        self._watchdog = watchdog
        self._commit = commit
        self._failed: KafkaError | None = None
        self._producer = make_producer(settings)

    def publish(self, outcome: Outcome, group_metadata: Any, done: Callable[[], None]) -> None:
        """Produce, wait for every acknowledgement, commit; see `Publisher.publish`."""
        self._failed = None
        topics = self._settings.alerts_topic, self._settings.dead_letter_topic
        with self._watchdog.step("produce"):
            try:
                produce(self._producer, topics[0], outcome.alerts, self._delivered)
                produce(self._producer, topics[1], outcome.dead_letters, self._delivered)
            except KafkaException as error:
                raise stopped(error, "publishing") from error
        with self._watchdog.step("flush"):
            self._producer.flush()
        if self._failed is not None:
            raise stopped(KafkaException(self._failed), "publishing")
        with self._watchdog.step("commit"):
            try:
                self._commit(partitions(outcome.offsets))
            except KafkaException as error:
                raise AbortedError(str(error)) from error
        done()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failed = error or self._failed

    def busy(self) -> bool:
        """Never between two batches."""
        return False

    def settle(self) -> None:
        """Nothing is ever under way between two batches."""

    def close(self) -> None:
        """Everything published was acknowledged already."""


HOPELESS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
"""Trying the same batch again would meet the same error."""


def make_producer(settings: Settings) -> Producer:
    """A producer of these settings.

    Raises:
        SettingsError: the client refuses a KAFKA_* setting.
    """
    config: dict[str, Any] = {
        **producer_config(settings),
        "error_cb": report_client_error,
        "logger": log,
    }
    try:
        return Producer(config)
    except KafkaException as error:
        raise refused_property(error) from error


def produce(
    producer: Producer,
    topic: str,
    records: Iterable[Record],
    on_delivery: Callable[[KafkaError | None, Message], None] | None = None,
) -> None:
    """Queue every record, waiting for room where the client's queue is full."""
    for key, value, headers in records:
        while True:
            try:
                producer.produce(
                    topic, value, key, headers=list(headers or ()), on_delivery=on_delivery
                )
                break
            except BufferError:
                producer.poll(0.1)


def partitions(offsets: dict[tuple[str, int], int]) -> list[TopicPartition]:
    """The client's form of next offsets."""
    return [TopicPartition(topic, part, offset) for (topic, part), offset in offsets.items()]


def make_publisher(
    settings: Settings, watchdog: Watchdog, commit: Callable[[list[TopicPartition]], None]
) -> Publisher:
    """The publisher that DELIVERY asks for."""
    if settings.delivery is Delivery.EXACTLY_ONCE:
        return ExactlyOnce(settings, watchdog)
    return AtLeastOnce(settings, watchdog, commit)
