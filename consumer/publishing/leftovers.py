"""Transactions that earlier processes with a transactional id left open, and how they are ended.

A broker that dies and comes back can hold a transaction open forever even though its coordinator
has recorded its end, and the next commit of the same producer then commits the dead one
(docs/exactly-once.md). A *sweep* ends it in every partition it may have touched: a transaction
that writes to all of them and is aborted. Nothing that should have been committed is lost:
the worker that takes over the partitions checks what is there (`consumer.intake.takeover`).
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consumer.kafka.client import FENCED, NEVER_S, TRANSIENT, kafka_error, make_onlooker
from consumer.kafka.outputs import Ends
from consumer.kafka.producing import make_producer
from consumer.kafka.topics import admin
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

SWEEP_KEY: Final = b"scorer.sweep"
"""Key of a sweep's records: aborted, without a value, visible to uncommitted readers only."""
GRACE_S: Final = 0.5
"""Other transactions in flight usually end sooner than this."""
ASK_S: Final = 0.3
COORDINATOR_S: Final = 20.0
ANSWER_S: Final = 3.0
ANSWERS: Final = frozenset({KafkaError.GROUP_ID_NOT_FOUND, KafkaError._UNSUPPORTED_FEATURE})
"""Nobody has joined yet, or it is the demo's broker, which does not support the request."""


class Leftovers:
    """Open transactions around one group: its offsets for one topic, and its output topics."""

    def __init__(
        self,
        settings: Settings,
        source: str,
        outputs: Sequence[str],
        step: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """Connect.

        Args:
            settings: connection and group.
            source: the topic that is read.
            outputs: the topics that are written.
            step: watches each call that may exceed its own timeout.
        """
        self._settings = settings
        self._step = step
        self._admin = admin(settings)
        self._source = Ends(self._admin, [source])
        self._outputs = Ends(self._admin, outputs)

    def clear(self, producer: Producer, timeout_s: float) -> bool:
        """End what the producer's id may have left open, if anything is open at all.

        Args:
            producer: initialised, and in no transaction.
            timeout_s: for each step of the sweep.

        Returns:
            True if anything was open. If so, the producer has aborted a transaction, and must not
            be used for another one (docs/decisions/0019).

        Raises:
            KafkaException: Kafka refuses, or does not answer.
        """
        probe = self._probe()
        try:
            started = time.monotonic()
            self._await_coordinator(timeout_s)
            swept = self._open() or not self._stable(probe)
            if swept:
                self._sweep(producer, timeout_s, probe)
                log.info("swept open transactions in %.0f ms", 1e3 * (time.monotonic() - started))
            return swept
        finally:
            probe.close()

    def sweep(self, producer: Producer, timeout_s: float) -> None:
        """End what is open, unconditionally. As after `clear`, never use the producer again."""
        probe = self._probe()
        try:
            self._await_coordinator(timeout_s)
            self._sweep(producer, timeout_s, probe)
        finally:
            probe.close()

    def sweep_as(self, transactional_id: str) -> None:
        """End what this id left open, fencing the worker that has it if still running.

        Raises:
            KafkaException: Kafka refuses, or does not answer.
        """
        timeout_s = self._settings.step_timeout_s / 2
        producer = make_producer(self._settings, transactional_id)
        producer.init_transactions(timeout_s)
        self.sweep(producer, timeout_s)

    def reachable(self) -> bool:
        """True if Kafka answers at all; otherwise nothing can be ended."""
        try:
            return bool(self._source.places())
        except KafkaException as error:
            log.warning("Kafka does not answer: %s", kafka_error(error).str())
            return False

    def _open(self) -> bool:
        """True if a transaction in the outputs is older than this call and does not end soon."""
        ends = self._outputs.written()
        deadline = time.monotonic() + GRACE_S
        while self._outputs.open(ends):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.02)
        return False

    def _stable(self, probe: Consumer) -> bool:
        """True if no transaction contains offsets of the group; False if there is no answer."""
        places = [TopicPartition(*place) for place in self._source.places()]
        try:
            probe.committed(places, timeout=ASK_S)
        except KafkaException as error:
            inner = kafka_error(error)
            if inner.retriable() or inner.code() in TRANSIENT | FENCED:
                return False
            raise
        return True

    def _sweep(self, producer: Producer, timeout_s: float, probe: Consumer) -> None:
        some = self._some()
        producer.begin_transaction()
        for topic, partition in self._outputs.places():
            producer.produce(topic, None, SWEEP_KEY, partition=partition)
        with self._step("flush of a sweep"):
            producer.flush(timeout_s)
        try:
            # A group with members refuses offsets sent without one, but by then the partition with
            # the group's offsets is part of the transaction, and gets its marker.
            with self._step("send_offsets_to_transaction of a sweep"):
                producer.send_offsets_to_transaction(
                    [some], probe.consumer_group_metadata(), timeout_s
                )
        except KafkaException as error:
            if not kafka_error(error).txn_requires_abort():
                raise
        with self._step("abort_transaction of a sweep"):
            producer.abort_transaction(timeout_s)

    def _await_coordinator(self, timeout_s: float) -> None:
        """Wait until the group's coordinator answers: offsets sent earlier can block forever.

        Raises:
            KafkaException: it does not answer, or the right to query it is missing.
        """
        group = self._settings.consumer_group
        deadline = time.monotonic() + min(COORDINATOR_S, timeout_s)
        while True:
            # A client that has lost its connection may look for a coordinator forever, so each
            # attempt has its own client, which is discarded: see `NEVER_S`.
            client = admin(self._settings)
            asked = client.describe_consumer_groups([group], request_timeout=NEVER_S)
            try:
                asked[group].result(max(ASK_S, min(ANSWER_S, deadline - time.monotonic())))
                return
            except TimeoutError:
                if time.monotonic() > deadline:
                    late = KafkaError(KafkaError._TIMED_OUT, "no coordinator of the group")
                    raise KafkaException(late) from None
            except KafkaException as error:
                code = kafka_error(error).code()
                if code in ANSWERS:
                    return
                if time.monotonic() > deadline or code not in TRANSIENT:
                    raise
                time.sleep(0.1)

    def _some(self) -> TopicPartition:
        return TopicPartition(*self._source.places()[0], 0)

    def _probe(self) -> Consumer:
        return make_onlooker(self._settings, "read_committed")
