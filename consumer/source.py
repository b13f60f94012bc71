"""Claims in: polling, rebalances, and going back to what the group has committed.

The rules exactly-once rests on (KIP-447 fences a transaction's offsets by member and generation,
not by partition):

* group metadata is taken when partitions are assigned, never at commit: metadata fetched after a
  rebalance would be accepted for partitions this worker has already lost;
* any rebalance makes the records in hand void, also those returned by the very poll that served
  it: they are read again from what the group has committed.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.client import (
    consumer_config,
    kafka_error,
    refused_property,
    report_client_error,
    stopped,
)
from consumer.errors import KafkaStoppedError
from consumer.settings import Settings

log = logging.getLogger(__name__)

IDLE_POLL_S: Final = 0.2
BUSY_POLL_S: Final = 0.001
COMMITTED_TIMEOUT_S: Final = 20.0
COMMITTED_LIMIT_S: Final = 200.0
REWIND_TIMEOUT_S: Final = 2.0
TRANSIENT: Final = frozenset(
    {
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
    }
)


class Poll(NamedTuple):
    """What one poll brought."""

    messages: list[Message]
    rebalanced: bool


class ClaimSource:
    """The worker's consumer. Used from one thread."""

    def __init__(
        self, settings: Settings, settle: Callable[[], object], busy: Callable[[], bool]
    ) -> None:
        """Join the group.

        Args:
            settings: topic, group, batch size and waiting time.
            settle: called before partitions are given up; returns when no transaction that
                holds offsets of theirs is under way.
            busy: whether a batch could not be published yet anyway.
        """
        self._settings = settings
        self._settle = settle
        self._busy = busy
        self._rebalanced = False
        self._closing = False
        self._void_since: float | None = None
        self._idle = False
        self._starts: dict[tuple[str, int], int] = {}
        config: dict[str, Any] = {
            **consumer_config(settings),
            "error_cb": report_client_error,
            "logger": log,
        }
        try:
            self._consumer = Consumer(config)
        except KafkaException as error:
            raise refused_property(error) from error
        self.group_metadata: Any = None
        self._reset = str(config["auto.offset.reset"])
        self._consumer.subscribe(
            [settings.claims_topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self) -> Poll:
        """The next batch: blocks for a first record, then takes what follows it at once.

        A batch is cut at BATCH_SIZE records, or BATCH_WAIT_MS after its first record but not
        while the batch before it is being committed: so batches grow with the load. When a
        rebalance was served, nothing is returned: the records in hand are void.

        Raises:
            KafkaStoppedError: no such topic, not authorised, or fenced.
        """
        self._rebalanced = False
        messages = self._take() if self._rewound() else []
        self._idle = not (messages or self._rebalanced or self._void_since)
        if self._rebalanced:
            return Poll([], rebalanced=True)
        return Poll(self._checked(messages), rebalanced=False)

    def _take(self) -> list[Message]:
        first = self._consumer.poll(IDLE_POLL_S)
        if first is None:
            return []
        messages = [first]
        size = self._settings.batch_size
        end = time.monotonic() + self._settings.batch_wait_ms / 1_000
        while len(messages) < size and not self._rebalanced:
            messages += self._consumer.consume(size - len(messages), 0)
            left = end - time.monotonic()
            if len(messages) >= size or (left <= 0 and not self._busy()):
                break
            one = self._consumer.poll(max(left, BUSY_POLL_S))
            if one is not None:
                messages.append(one)
        return messages

    def _checked(self, messages: list[Message]) -> list[Message]:
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() in TRANSIENT or (error.retriable() and not error.fatal()):
                log.warning("kafka consumer: %s", error.str())
            else:
                raise stopped(KafkaException(error), f"reading {self._settings.claims_topic}")
        return good

    def rewind(self, *, aborted: bool) -> None:
        """Void everything in hand: the next poll goes back to what the group has committed.

        It brings nothing until the outcome of a transaction that still holds offsets of these
        partitions is known (the broker answers only with stable offsets under read_committed).

        Args:
            aborted: a transaction was refused or given up. Under the classic protocol the
                snapshot stays all the same: if the generation has moved on, a rebalance is due
                whose callback brings the next one, while metadata fetched now could be of no
                generation at all (-1), which no broker fences. Under the consumer protocol the
                member's epoch moves on without a callback.
        """
        if aborted and self._settings.group_protocol == "consumer":
            self.group_metadata = self._consumer.consumer_group_metadata()
        self._void_since = time.monotonic()

    def _rewound(self) -> bool:
        """Go back, if that is due; False while the broker does not tell where to.

        Callbacks are served in between: under the consumer protocol a fenced member is told no
        offsets before it has given up its partitions in a callback.
        """
        if self._void_since is None:
            return True
        committed = self._committed(self._consumer.assignment(), REWIND_TIMEOUT_S)
        if committed is None:
            if time.monotonic() > self._void_since + COMMITTED_LIMIT_S:
                raise KafkaStoppedError(_NO_OFFSETS)
            message = self._consumer.poll(0)
            self._checked([] if message is None else [message])  # a record is void, an error not
            return False
        for partition in committed:
            self._seek(partition)
        self._void_since = None
        return True

    def _seek(self, partition: TopicPartition) -> None:
        try:
            self._consumer.seek(partition)
        except KafkaException as error:
            if kafka_error(error).code() not in {KafkaError._STATE, KafkaError._PREV_IN_PROGRESS}:
                raise
            # Not being fetched yet: it will start from the offset it was assigned with.
            log.debug("no seek needed on %s[%d]", partition.topic, partition.partition)

    def _committed(
        self, partitions: list[TopicPartition], timeout_s: float
    ) -> list[TopicPartition] | None:
        """Where the group has got to, None when that is not to be had yet.

        A partition of which nothing is committed yet is read from where it was begun: asking
        auto.offset.reset again after an abort would skip what has come in since.
        """
        try:
            found = self._consumer.committed(partitions, timeout=timeout_s) if partitions else []
            for place in found:
                if place.error is None and place.offset < 0:
                    known = self._starts.get((place.topic, place.partition))
                    place.offset = self._first(place, timeout_s) if known is None else known
        except KafkaException as error:
            if not kafka_error(error).retriable() and kafka_error(error).code() not in TRANSIENT:
                raise stopped(error, "reading the committed offsets") from error
            log.warning("committed offsets not to be had yet: %s", kafka_error(error).str())
            return None
        for partition in found:
            if partition.error is not None:
                raise KafkaStoppedError(
                    f"reading the committed offset of {partition.topic}"
                    f"[{partition.partition}]: {partition.error.str()}"
                )
        return found

    def _first(self, place: TopicPartition, timeout_s: float) -> int:
        """Offset to begin a partition at, as auto.offset.reset has it."""
        if self._reset in {"error", "none"}:
            raise KafkaStoppedError(
                f"nothing is committed for {place.topic}[{place.partition}], "
                f"and KAFKA_AUTO_OFFSET_RESET={self._reset}"
            )
        found = self._consumer.get_watermark_offsets(place, timeout=timeout_s)
        if not found:  # the client's answer when time is up
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        low, high = found
        return high if self._reset in {"latest", "end", "largest"} else low

    def _start(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Where to read newly assigned partitions from."""
        end = time.monotonic() + COMMITTED_LIMIT_S
        while not self._closing:  # a closing client is told no offsets, and reads nothing more
            start = self._committed(partitions, COMMITTED_TIMEOUT_S)
            if start is not None:
                return start
            if time.monotonic() > end:
                raise KafkaStoppedError(_NO_OFFSETS)
        return partitions

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced = True
        if self._closing:
            # A closing client is told no offsets and has no metadata; what a callback raises then
            # comes out of close() as a SystemError.
            consumer.incremental_assign(partitions)
            return
        if partitions:
            start = self._start(partitions)
            consumer.incremental_assign(start)
            self._starts.update({(p.topic, p.partition): p.offset for p in start})
        self.group_metadata = consumer.consumer_group_metadata()
        log.info("assigned %s", _names(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced = True
        self._settle()
        consumer.incremental_unassign(partitions)
        for place in partitions:
            self._starts.pop((place.topic, place.partition), None)
        log.info("revoked %s", _names(partitions))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost %s", _names(partitions))
        self._on_revoke(consumer, partitions)

    @property
    def assigned(self) -> frozenset[tuple[str, int]]:
        """Topic and partition of what this worker reads now."""
        return frozenset(self._starts)

    def lag(self, committed: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Records between what is committed and the end, by partition, from the last fetch.

        When nothing is in hand the position counts: unlike what is committed it is also past the
        markers that transactions of the producers leave at the end of a partition.

        Args:
            committed: next offsets this worker committed, by topic and partition.
        """
        lags = {}
        for place in self._consumer.position([TopicPartition(*where) for where in self._starts]):
            where = place.topic, place.partition
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            start = self._starts[where]
            done = max(start, committed.get(where, start), place.offset if self._idle else start)
            lags[where] = max(0, high - done)
        return lags

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit without a transaction (at-least-once).

        Raises:
            KafkaException: not all of them were committed.
        """
        for place in self._consumer.commit(offsets=offsets, asynchronous=False) or []:
            if place.error is not None:
                raise KafkaException(place.error)

    def close(self) -> None:
        """Leave the group; static members keep their partitions until the session ends."""
        self._closing = True
        self._consumer.close()


_NO_OFFSETS: Final = "no committed offsets from Kafka; is a broker down?"


def _names(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{p.topic}[{p.partition}]" for p in partitions) or "nothing"
