"""Transactions, begun and committed the same way by the worker and the redrive."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from confluent_kafka import KafkaException, Producer

from consumer.kafka.client import serve
from consumer.kafka.producing import MakeProducer, make_producer
from consumer.kafka.receipts import Receipts
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.settings.settings import Settings

WatchStep = Callable[[str], AbstractContextManager[None]]
"""Watches the named call while it runs."""


def unwatched(_: str) -> AbstractContextManager[None]:
    """A step that nobody watches: the caller has its own limit."""
    return nullcontext()


def ready_producer(
    settings: Settings,
    leftovers: Leftovers,
    timeout_s: float,
    step: WatchStep = unwatched,
    make: MakeProducer = make_producer,
) -> Producer:
    """A producer that has aborted nothing, with no transaction left open before it.

    Args:
        settings: of the producer.
        leftovers: ended first.
        timeout_s: for each request.
        step: watches each call that may exceed its own timeout.
        make: makes the producer, and another one in its place if it had to end something.

    Raises:
        KafkaException: Kafka refuses, or does not answer.
        KafkaStoppedError: a right is missing.
    """
    producer = _initialised(make(settings), timeout_s, step)
    try:
        swept = leftovers.clear(producer, timeout_s)
    except KafkaException:
        serve(producer)
        raise
    return _initialised(make(settings), timeout_s, step) if swept else producer


def _initialised(producer: Producer, timeout_s: float, step: WatchStep) -> Producer:
    try:
        with step("init_transactions"):
            producer.init_transactions(timeout_s)
    except KafkaException:
        serve(producer)  # the client may know better why
        raise
    return producer


class Transaction:
    """Records and offsets that become visible together, or not at all."""

    def __init__(
        self, producer: Producer, receipts: Receipts, timeout_s: float, step: WatchStep = unwatched
    ) -> None:
        """Nothing is begun yet.

        Args:
            producer: initialised, and in no transaction.
            receipts: committed with the offsets.
            timeout_s: for each request.
            step: watches each call that may exceed its own timeout.
        """
        self._producer = producer
        self._receipts = receipts
        self._timeout_s = timeout_s
        self._step = step

    def fill(
        self, publication: Publication, queue: Callable[[Producer, Publication], None]
    ) -> None:
        """Begin, and add what is published and the offsets that go with it.

        Args:
            publication: from any source partitions that the receipts know.
            queue: queues its records in the producer.

        Raises:
            KafkaException: a record is refused.
        """
        now_ms = time.time_ns() // 1_000_000
        self._receipts.began(now_ms)
        with self._step("produce"):
            self._producer.begin_transaction()
            queue(self._producer, publication)
        self._offsets = self._receipts.write(publication.offsets, publication.outcomes, now_ms)

    def commit(self, group_metadata: Any) -> None:
        """Commit what was filled in; may be called from another thread.

        Args:
            group_metadata: of the consumer that read the records.

        Raises:
            KafkaException: it is not committed, or that is unknown.
        """
        with self._step("send_offsets_to_transaction"):
            self._producer.send_offsets_to_transaction(
                self._offsets, group_metadata, self._timeout_s
            )
        with self._step("commit_transaction"):
            self._producer.commit_transaction(self._timeout_s)
        self._receipts.committed()
