"""A worker's membership of its group: batches of claims in, their outcomes and offsets out.

The session owns the consumer and the producer, and with them the protocol that exactly-once rests
on: what a rebalance or an aborted transaction voids is read again, receipts go out with the
offsets, and what an earlier process left open is ended. `Session.events` tells the polling thread
what was committed or aborted.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from confluent_kafka import TopicPartition

from consumer.batch.process import Outcome
from consumer.errors import AbortedError
from consumer.intake.evidence import Evidence, source_of
from consumer.intake.source import ClaimSource, Poll, Stall
from consumer.intake.takeover import TakeOver
from consumer.kafka.client import transactional_id
from consumer.kafka.outputs import Ends
from consumer.kafka.receipts import Place, Receipts
from consumer.kafka.topics import admin
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.delivery import Publisher, make_publisher
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.session.prover import Prover
from consumer.session.stalls import Blocked, Stalls
from consumer.settings.settings import Delivery, Settings

OPEN_LIMIT_S: Final = 3.0
"""A transaction in the outputs that is open for longer may be one that a broker left open."""
FEW_ALONE: Final = 20
"""Claims per batch while records are sent separately: each that does not fit is found by an abort,
and what was committed before it need not be sent again."""
RENEW_MS: Final = 10_000
"""Receipts of partitions without claims are rewritten when older than this."""
RENEW_EVERY_S: Final = 1.0
_NOTHING: Final = Poll([], rebalanced=False)

Tag = TypeVar("Tag")


class Committed(NamedTuple, Generic[Tag]):
    """What was published is committed, with its offsets."""

    tag: Tag | None
    """What `Session.publish` was given; None for offsets alone."""
    at_s: float
    """When, in seconds since the epoch."""


class Aborted(NamedTuple):
    """What was published is not committed, and will be read again."""

    error: AbortedError


class Rewound(NamedTuple):
    """What was polled but not committed is void, and will be read again."""


class Callbacks(NamedTuple):
    """What the clients ask of the session that owns them."""

    settle: Callable[[], object]
    busy: Callable[[], bool]
    commit: Callable[[list[TopicPartition]], None]
    sweep: Callable[[], object]
    show_blocked: Callable[[Sequence[Blocked], float], object]


class Clients(NamedTuple):
    """What a session is made of."""

    publisher: Publisher
    source: ClaimSource
    stalls: Stalls
    prover: Prover


Maker = Callable[[Settings, Watchdog, Receipts, Callbacks], Clients]


def to_kafka(
    settings: Settings, watchdog: Watchdog, receipts: Receipts, asked: Callbacks
) -> Clients:
    """Connect: the producer first, then the consumer, which joins the group.

    In that order, as the producer may have to wait for Kafka or be refused, and a consumer that has
    joined must be polled and can only be dropped by closing it.

    Raises:
        KafkaStoppedError: Kafka does not answer, or refuses.
    """
    outputs = settings.alerts_topic, settings.dead_letter_topic
    leftovers = Leftovers(settings, settings.claims_topic, outputs, watchdog.step)
    ends = Ends(admin(settings), outputs)
    stalls = Stalls(settings, asked.sweep, leftovers, asked.show_blocked)
    publisher = make_publisher(settings, watchdog, asked.commit, receipts, leftovers)
    search = partial(Evidence, settings, origin=source_of)
    take_over = TakeOver(receipts, ends, search)
    source = ClaimSource(settings, asked.settle, asked.busy, take_over, stalls)
    return Clients(publisher, source, stalls, Prover(receipts, ends))


class Session(Generic[Tag]):
    """Used from one thread, except for `unknown`, which a signal handler may call."""

    def __init__(
        self,
        settings: Settings,
        watchdog: Watchdog,
        show_blocked: Callable[[Sequence[Blocked], float], object],
        make: Maker = to_kafka,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            settings: topics, group, connection and delivery.
            watchdog: ends the process when a step of a transaction is stuck.
            show_blocked: receives what open transactions block, and for how many seconds.
            make: makes the clients.
        """
        self._settings = settings
        self._watchdog = watchdog
        self._show_blocked = show_blocked
        self._make = make
        self._most = settings.batch_size
        self._exactly_once = settings.delivery is Delivery.EXACTLY_ONCE
        self._receipts = Receipts(transactional_id(settings))
        self._events = deque[Committed[Tag] | Aborted | Rewound]()
        self._next_offsets: dict[Place, int] = {}
        """Next offset after what this worker has committed, by partition."""
        self._batch = _NOTHING
        self._in_flight: Mapping[Place, int] | None = None
        """Offsets that are being committed."""
        self._renew_due = 0.0
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Start the producer, then join the group.

        Raises:
            KafkaStoppedError: Kafka does not answer, or refuses.
        """
        asked = Callbacks(self.settle, self._busy, self._commit, self._sweep, self._show_blocked)
        made = self._make(self._settings, self._watchdog, self._receipts, asked)
        self._publisher, self._source, self._stalls, self._prover = made
        self._running.enter_context(self._prover.running())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the group; what is open is aborted by the brokers or the next start."""
        self._running.close()
        with self._watchdog.step("close"):
            self._publisher.close()
            self._source.close()

    def poll(self) -> Poll:
        """The next batch, empty when there is none yet; its claims have no outcome yet.

        Raises:
            KafkaStoppedError: Kafka refuses to go on.
        """
        alone = self._publisher.alone()
        batch = self._source.poll(min(FEW_ALONE, self._most) if alone else self._most)
        if batch.rebalanced:
            self._rewind(aborted=False)
        elif batch.messages or batch.offsets:
            return self._begun(batch)
        elif not self.settle():
            # No new batch arrives that would reveal that the last one was not committed.
            self._rewind(aborted=True)
        elif stale := self._stale():
            self._publish(Publication.of_offsets(stale), None)
        return batch

    def _begun(self, batch: Poll) -> Poll:
        """The batch, after committing what must come before it."""
        if batch.first and self._exactly_once:
            first = Publication.of_offsets(batch.first)
            if not self._publish(first, None):
                return Poll([], rebalanced=False)
        if not batch.messages:
            self._publish(Publication((), batch.offsets, batch.done), None)
        self._batch = batch
        return batch

    def publish(self, outcome: Outcome, tag: Tag) -> bool:
        """Publish the outcome of the last batch with its offsets, after the one before it.

        Args:
            outcome: of the records that `poll` returned last.
            tag: returned with `Committed`.

        Returns:
            False when a transaction was given up: what is not committed is read again.

        Raises:
            KafkaStoppedError: Kafka refuses to go on.
        """
        made = Publication.of(outcome, self._settings)
        batch, self._batch = self._batch, _NOTHING
        return self._publish(made.joined(batch.done, batch.offsets, self._stale()), tag)

    def _publish(self, publication: Publication, tag: Tag | None) -> bool:
        # Nothing of the publication is kept until it is committed: its records take memory.
        offsets = publication.offsets

        def done() -> None:  # in the committing thread
            self._next_offsets.update(offsets)
            if self._in_flight is offsets:
                self._in_flight = None
            self._events.append(Committed(tag, time.time()))

        self._in_flight = offsets
        try:
            self._publisher.publish(publication, self._source.group_metadata, done)
        except AbortedError as error:
            self._aborted(error)
            self._rewind(aborted=True)
            return False
        return True

    def settle(self) -> bool:
        """Wait for the commit under way; False when it was aborted."""
        try:
            self._publisher.settle()
        except AbortedError as error:
            self._aborted(error)
            return False
        return True

    def events(self) -> list[Committed[Tag] | Aborted | Rewound]:
        """What became of transactions since the last call, in order."""
        found = []
        while self._events:
            found.append(self._events.popleft())
        return found

    def unknown(self) -> str | None:
        """What Kafka has not answered, for the operator; None if there is nothing."""
        if self._in_flight is None:
            return None
        if self._exactly_once:
            return (
                "it is unknown whether the batch in flight was committed; the next start finds "
                "out, and neither loses nor repeats a claim"
            )
        return "the batch in flight was not committed; the next start may repeat its alerts"

    def watch(self) -> None:
        """Notice transactions that stay open, and end them where possible.

        Raises:
            KafkaStoppedError: nothing helped for minutes.
        """
        if held := self._prover.open_for(OPEN_LIMIT_S):
            self._stalls(Stall(self._prover.longest_s(), [], held))
        elif not self._source.void:
            self._stalls.over()

    def lag(self) -> Mapping[Place, int]:
        """Records that can be read but are not committed, by partition of this worker."""
        return self._source.lag(dict(self._next_offsets))

    @property
    def assigned(self) -> set[Place]:
        """Partitions that this worker reads now."""
        return self._source.assigned

    def _stale(self) -> dict[Place, int]:
        """Offsets whose receipts must be rewritten; looked up at most once a second.

        None while partitions are being taken over: another worker may have read them meanwhile.
        """
        if not self._exactly_once or self._source.void or time.monotonic() < self._renew_due:
            return {}
        self._renew_due = time.monotonic() + RENEW_EVERY_S
        old = time.time_ns() // 1_000_000 - RENEW_MS
        return self._receipts.stale(self._source.assigned, old)

    def _commit(self, offsets: list[TopicPartition]) -> None:
        self._source.commit(offsets)

    def _busy(self) -> bool:
        return self._publisher.busy()

    def _sweep(self) -> None:
        """End what this worker's id left open, and check everything again."""
        try:
            self._publisher.sweep()
        except AbortedError as error:
            self._aborted(error)
        self._rewind(aborted=True)

    def _rewind(self, *, aborted: bool) -> None:
        self._source.rewind(aborted=aborted)
        self._events.append(Rewound())

    def _aborted(self, error: AbortedError) -> None:
        self._in_flight = None
        self._events.append(Aborted(error))
