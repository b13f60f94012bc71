"""Input of claims: polling, rebalances, and rewinding to what the group has committed.

The rules that exactly-once depends on (KIP-447 fences a transaction's offsets by member and
generation, not by partition):

* group metadata is taken before the broker is asked where to read from, never at commit: metadata
  fetched after a rebalance would be accepted for partitions this worker has already lost;
* any rebalance voids the records in flight, including those returned by the very poll that served
  it: they are read again from what the group has committed;
* nothing is read before the last transactions of its partition are known to be complete
  (`consumer.intake.takeover`).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.batch.records import coordinates
from consumer.errors import KafkaStoppedError
from consumer.intake.membership import assign, snapshot, unassign
from consumer.intake.offsets import Offsets
from consumer.intake.stable import StableOffsets
from consumer.intake.takeover import Start, TakeOver
from consumer.kafka.client import (
    TRANSIENT,
    consumer_config,
    kafka_error,
    make_consumer,
    report_client_error,
    stopped,
)
from consumer.kafka.portions import FEW, MOST_BYTES, more_at_once, size_of
from consumer.kafka.receipts import Place, Receipt
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

IDLE_POLL_S: Final = 0.2
BUSY_POLL_S: Final = 0.001
OFFSETS_TIMEOUT_S: Final = 2.0
PATIENCE_S: Final = 30.0
"""A broker that has just started may briefly report an end that is too low."""
NOT_FETCHED_YET: Final = frozenset({KafkaError._STATE, KafkaError._PREV_IN_PROGRESS})


class Poll(NamedTuple):
    """The result of one poll."""

    messages: list[Message]
    rebalanced: bool
    first: Mapping[Place, int] = MappingProxyType({})
    """Start offsets of partitions for which no worker of this release has committed anything."""
    done: Mapping[Place, int] = MappingProxyType({})
    """Number of claims skipped because their outcomes exist, by partition."""
    offsets: Mapping[Place, int] = MappingProxyType({})
    """Next offsets of those partitions: after what was skipped and what is in `messages`."""


class Stall(NamedTuple):
    """What is blocking now."""

    waited_s: float
    unstable: Sequence[Place]
    """Partitions of the claims topic whose committed offsets are not available."""
    open: Mapping[Place, int]
    """Output partitions with an open transaction, and its first offset."""


class _Ready(NamedTuple):
    """The start positions, as determined by the member that `metadata` belongs to."""

    starts: Mapping[Place, Start]
    first: dict[Place, int]
    metadata: bytes | None
    since_s: float
    """When they were determined, on the monotonic clock."""


class ClaimSource:
    """The worker's consumer. Used from one thread."""

    def __init__(
        self,
        settings: Settings,
        settle: Callable[[], object],
        busy: Callable[[], bool],
        take_over: TakeOver,
        stalled: Callable[[Stall], object],
        connect: Callable[[Mapping[str, Any]], Consumer] = make_consumer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join the group.

        Args:
            settings: topic, group and waiting time.
            settle: called before partitions are given up; returns when no transaction with
                their offsets is in flight.
            busy: returns True if a batch could not be published yet anyway.
            take_over: determines where to start.
            stalled: called repeatedly while an open transaction prevents partitions from being
                taken over.
            connect: makes the client, with this configuration.
            clock: in seconds; measures every wait.
        """
        self._settings = settings
        self._clock = clock
        self._settle = settle
        self._busy = busy
        self._take_over = take_over
        self._stalled = stalled
        self._ready: _Ready | None = None
        self._first: dict[Place, int] = {}
        self._done: dict[Place, frozenset[int]] = {}
        self._rebalanced = False
        self._closing = False
        self._void_since: float | None = None
        self._refresh = False
        self._idle = False
        self._stable = StableOffsets()
        config: dict[str, Any] = {
            **consumer_config(settings),
            "error_cb": report_client_error,
            "stats_cb": self._stable.note,
        }
        self._consumer = connect(config)
        self.group_metadata: bytes | None = None
        self._offsets = Offsets(self._consumer, str(config["auto.offset.reset"]))
        self._consumer.subscribe(
            [settings.claims_topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self, most: int) -> Poll:
        """The next batch: blocks for a first record, then takes what is immediately available.

        A batch ends at `most` records or 16 MiB, or BATCH_WAIT_MS after its first record
        but not while the previous batch is being committed: so batches grow with the load. If
        a rebalance was served, nothing is returned: the records in flight are void.

        Raises:
            KafkaStoppedError: no such topic, not authorised, or fenced.
        """
        self._rebalanced = False
        # An error counts even if a rebalance voids the records it came with: a fatal one is
        # reported only once, and the client delivers nothing afterwards.
        messages = self._checked(self._take(most)) if self._rewound() else []
        self._idle = not (messages or self._rebalanced or self._void_since)
        if self._rebalanced:
            return Poll([], rebalanced=True)
        return self._sorted(messages) if self._first or self._done else Poll(messages, False)

    def _sorted(self, messages: list[Message]) -> Poll:
        """Skip claims that already have an outcome; only the first time after a takeover."""
        first, done, offsets, rest = {}, Counter[Place](), {}, []
        for message in messages:
            place, offset = _place(message)
            if place in self._first:
                first[place] = self._first.pop(place)
            left_out = self._done.get(place)
            if left_out is None:
                rest.append(message)
                continue
            offsets[place] = offset + 1
            if offset in left_out:
                done[place] += 1
            else:
                rest.append(message)
            if offset >= max(left_out):
                del self._done[place]
        return Poll(rest, False, first, done, offsets)

    def _take(self, size: int) -> list[Message]:
        first = self._consumer.poll(IDLE_POLL_S)
        if first is None:
            return []
        messages = [first]
        room = MOST_BYTES - size_of(first)
        end = self._clock() + self._settings.batch_wait_ms / 1_000
        most = FEW
        while len(messages) < size and room > 0 and not self._rebalanced:
            asked = min(size - len(messages), most)
            found = self._consumer.consume(asked, 0)
            messages += found
            sizes = list(map(size_of, found))
            room -= sum(sizes)
            if len(found) == asked and room > 0:
                most = more_at_once(most, room, sizes)
                continue
            left = end - self._clock()
            if len(messages) >= size or room <= 0 or (left <= 0 and not self._busy()):
                break
            one = self._consumer.poll(max(left, BUSY_POLL_S))
            if one is not None:
                messages.append(one)
                room -= size_of(one)
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
        """Void everything in flight: the next poll goes back to what the group has committed.

        Args:
            aborted: a transaction was refused or given up. Under the classic protocol the
                snapshot is kept nevertheless: if the generation has moved on, a rebalance is due
                whose callback brings the next one. Under the consumer protocol the member's
                epoch moves on without a callback, so a new snapshot is needed.
        """
        self._refresh |= aborted and self._settings.group_protocol == "consumer"
        self._take_over.restart(distrust=aborted)
        self._ready = None
        if self._void_since is None:
            self._void_since = self._clock()

    def _rewound(self) -> bool:
        """Rewind, if due; False while the broker does not report where to.

        Callbacks are served in between: under the consumer protocol a fenced member gets no
        offsets before it has given up its partitions in a callback. So a snapshot taken before
        offsets are returned belongs to a member that the broker knew, in the epoch it knew.
        """
        if self._void_since is None:
            return True
        if self._ready is None:
            self._ready = self._where_to_begin()
        if self._ready is None or not self._begin(self._ready):
            message = self._consumer.poll(0)
            self._checked([] if message is None else [message])  # a record is void, an error is not
            return False
        self._first = self._ready.first
        self.group_metadata = self._ready.metadata
        self._refresh = False
        self._void_since = self._ready = None
        return True

    def _where_to_begin(self) -> _Ready | None:
        assert self._void_since is not None
        fresh = snapshot(self._consumer) if self._refresh else self.group_metadata
        assigned = self._consumer.assignment()
        found = self._offsets.find(assigned, OFFSETS_TIMEOUT_S)
        starts = None if found is None else self._take_over.step(found)
        waited = self._clock() - self._void_since
        if found is None or starts is None or (assigned and fresh is None):
            unstable = [(p.topic, p.partition) for p in assigned] if found is None else []
            self._stalled(Stall(waited, unstable, self._take_over.open))
            return None
        places = {(p.topic, p.partition): Receipt.parse(p.metadata) for p in found}
        first = {p: starts[p].offset for p, receipt in places.items() if receipt is None}
        within = self._offsets.within_log(starts, patient=waited < PATIENCE_S)
        return None if within is None else _Ready(within, first, fresh, self._clock())

    def _begin(self, ready: _Ready) -> bool:
        """Seek every partition to its start; False while one is not being fetched yet.

        Raises:
            KafkaStoppedError: the client does not begin to fetch one.
        """
        starts = ready.starts
        for place, start in starts.items():
            try:
                self._consumer.seek(TopicPartition(*place, start.offset))
            except KafkaException as error:
                if kafka_error(error).code() not in NOT_FETCHED_YET:
                    raise
                if self._clock() - ready.since_s > PATIENCE_S:
                    topic, partition = place
                    raise KafkaStoppedError(
                        f"{topic}[{partition}] is assigned, but the client has not begun to read "
                        f"it for {PATIENCE_S:g} s: start this process again"
                    ) from error
                return False
        self._done = {place: start.done for place, start in starts.items() if start.done}
        return True

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced = True
        if self._closing:  # nothing is read any more
            assign(consumer, partitions, self._settings.group_protocol)
            return
        self.group_metadata = snapshot(consumer)
        self._refresh = False
        if self._settings.group_protocol == "classic":
            self._offsets.keep(partitions)
        # If the broker does not answer yet, the rewind that follows finds the offset: waiting here
        # could block the very callback that is the cause. Until then the partitions stand at
        # their ends, as what is read before the rewind is void. Without an offset, the client
        # asks for the committed ones itself, once: if that is refused as a whole, for instance by
        # a broker that is not the coordinator yet, it never starts to read, now or later
        # (rd_kafka_assignment_apply_offsets in librdkafka 2.16).
        start = self._offsets.find(partitions, OFFSETS_TIMEOUT_S)
        if start is None:
            start = [TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions]
        assign(consumer, start, self._settings.group_protocol)
        log.info("assigned %s", _names(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced = True
        self._settle()
        unassign(consumer, partitions, self._settings.group_protocol)
        if self._settings.group_protocol == "consumer":
            self._offsets.forget(partitions)
        log.info("revoked %s", _names(partitions))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost %s", _names(partitions))
        self.group_metadata = None
        self._on_revoke(consumer, partitions)
        self._offsets.forget(partitions)

    @property
    def void(self) -> bool:
        """True while partitions are being taken over and nothing is read."""
        return self._void_since is not None

    @property
    def assigned(self) -> set[tuple[str, int]]:
        """Topics and partitions that this worker currently reads."""
        held = {(place.topic, place.partition) for place in self._consumer.assignment()}
        return held & self._offsets.begun.keys()

    def lag(self, committed: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Records that can be read but are not committed, by partition, from the last fetch.

        Deleted records and those held back by an open transaction cannot be read. If nothing is
        in flight the position counts: unlike the committed offset, it is also past the markers
        that producers' transactions leave at the end of a partition.

        Args:
            committed: next offsets committed by this worker, by topic and partition.
        """
        lags = {}
        for place in self._consumer.position([TopicPartition(*where) for where in self.assigned]):
            where = place.topic, place.partition
            low, high = self._consumer.get_watermark_offsets(place, cached=True)
            start = max(low, self._offsets.begun[where])
            done = max(start, committed.get(where, start), place.offset if self._idle else start)
            lags[where] = max(0, self._stable.ends.get(where, high) - done)
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
        """Leave the group; static members keep their partitions until the session ends.

        Pending callbacks are served first: librdkafka may mistake an assignment that it makes
        while closing for its end, and then wait forever for the callback that gives it back.
        """
        self._closing = True
        try:
            self._consumer.poll(0)
        finally:
            self._consumer.close()


def _place(message: Message) -> tuple[Place, int]:
    claim = coordinates(message)
    return (claim.topic, claim.partition), claim.offset


def _names(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{p.topic}[{p.partition}]" for p in partitions) or "nothing"
