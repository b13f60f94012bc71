"""Publishes exactly once: alerts, dead letters and offsets of a batch in one transaction."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.errors import AbortedError, KafkaStoppedError
from consumer.kafka.client import TRANSIENT, kafka_error, stopped
from consumer.kafka.producing import MakeProducer, make_producer
from consumer.kafka.receipts import Receipts
from consumer.kafka.topics import without_coordinator
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.committing import Transaction, ready_producer
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.publishing.sizes import Sizes
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

INIT_ATTEMPTS: Final = 10

HOPELESS = frozenset(
    {
        KafkaError.INVALID_RECORD,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
"""Trying the same batch again would hit the same error."""


class ExactlyOnce:
    """Alerts, dead letters and offsets in one transaction per batch.

    The commit runs in its own thread while the worker decodes and scores the next batch
    (the client releases the interpreter lock): at most one transaction is in flight.
    """

    def __init__(
        self,
        settings: Settings,
        watchdog: Watchdog,
        receipts: Receipts,
        leftovers: Leftovers,
        make: MakeProducer = make_producer,
    ) -> None:
        """Start, waiting for Kafka, and end what an earlier process left open.

        Args:
            settings: topics, ids and timeouts.
            watchdog: ends the process if a step is stuck.
            receipts: committed with the offsets.
            leftovers: of this worker's group and topics.
            make: makes a producer, at the start and after each one that must not be used again.
        """
        self._settings = settings
        self._watchdog = watchdog
        self._receipts = receipts
        self._leftovers = leftovers
        self._make = make
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._under_way: Future[None] | None = None
        self._timeout = settings.step_timeout_s / 2
        self._sizes = Sizes(settings)
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        for _ in range(INIT_ATTEMPTS):
            try:
                return ready_producer(
                    self._sizes.settings,
                    self._leftovers,
                    self._timeout,
                    self._watchdog.step,
                    self._make,
                )
            except KafkaException as error:
                inner = kafka_error(error)
                if not inner.retriable() and inner.code() not in TRANSIENT:
                    raise stopped(error, "starting the transactional producer") from error
                log.warning(
                    "waiting for Kafka at %s: %s",
                    self._settings.kafka_bootstrap_servers,
                    kafka_error(error).str(),
                )
        raise KafkaStoppedError(
            f"no transaction coordinator at {self._settings.kafka_bootstrap_servers}"
            f"{without_coordinator(self._settings)}"
        )

    def publish(
        self, publication: Publication, group_metadata: Any, done: Callable[[], None]
    ) -> None:
        """Publish in one transaction, after the previous one; see `Publisher.publish`."""
        self.settle()
        if self._sizes.relax():
            self._discard("the records that did not fit have been published")
        transaction = Transaction(
            self._producer, self._receipts, self._timeout, self._watchdog.step
        )
        try:
            transaction.fill(publication, self._sizes.queue)
        except KafkaException as error:
            self._give_up(error)
        self._under_way = self._committer.submit(self._commit, transaction, group_metadata, done)

    def _commit(
        self,
        transaction: Transaction,
        group_metadata: Any,
        done: Callable[[], None],
    ) -> None:
        transaction.commit(group_metadata)
        self._sizes.committed()
        done()

    def busy(self) -> bool:
        """True if a commit is in flight; see `Publisher.busy`."""
        return self._under_way is not None and not self._under_way.done()

    def alone(self) -> bool:
        """See `Publisher.alone`."""
        return self._sizes.alone

    def settle(self) -> None:
        """Wait for the commit in flight; see `Publisher.settle`."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        try:
            under_way.result()
        except KafkaException as error:
            self._give_up(error)

    def _give_up(self, error: KafkaException) -> None:
        """Abort what can be aborted, and continue with another producer.

        librdkafka reuses the sequence numbers of records purged by an abort for the records that
        follow. If the broker has written one of the purged ones, and only its answer was lost, it
        mistakes the next record for a retry: acknowledges it, and does not write it. A new
        producer has another epoch and counts from the start (docs/decisions/0019).

        Raises:
            AbortedError: always, unless the error is fatal (KafkaStoppedError).
            TooLargeError: records do not fit.
        """
        self._receipts.aborted()
        inner = kafka_error(error)
        if inner.fatal() or inner.code() in HOPELESS:
            raise stopped(error, "publishing") from error
        log.warning("transaction given up: %s: %s", inner.name(), inner.str())
        if self._sizes.suspected(error):
            # Not aborted: the next transaction of this producer would fail because of the sequence
            # numbers it has skipped. The next producer ends this transaction.
            refused = self._sizes.refused(error)
            self._discard("records may not fit: each is sent on its own, compressed")
            raise refused from error
        if inner.txn_requires_abort():
            self._abort()
        self._discard("it gave up a transaction")
        raise AbortedError(str(stopped(error, "publishing"))) from error

    def _abort(self) -> None:
        """Save the next producer from waiting for the end of the transaction, if possible."""
        try:
            with self._watchdog.step("abort_transaction"):
                self._producer.abort_transaction(self._timeout)
        except KafkaException as error:
            if kafka_error(error).fatal():
                raise stopped(error, "aborting") from error
            log.warning("not aborted; the next producer will do it: %s", kafka_error(error).str())

    def _discard(self, why: str) -> None:
        # init_transactions on a new producer with the same id completes or aborts what the old
        # one left behind; reusing the old one after an unknown outcome could commit twice.
        log.warning("transactional producer discarded: %s", why)
        self._producer.purge()
        self._producer = self._new_producer()

    def sweep(self) -> None:
        """End what this worker's id left open; see `Publisher.sweep`."""
        self.settle()
        try:
            self._leftovers.sweep(self._producer, self._timeout)
        except KafkaException as error:
            self._give_up(error)
        self._discard("it has ended open transactions")

    def close(self) -> None:
        """Close; an open transaction is aborted by the broker or the next start."""
        self._committer.shutdown(wait=True)
