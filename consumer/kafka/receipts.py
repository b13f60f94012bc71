"""Receipts, next to committed offsets: what must be visible of a partition's last transactions.

Kafka promises that a transaction is atomic, but after a broker was killed it may not be: each
partition it wrote to has its own marker, and a coordinator that comes back can omit some of them
(docs/exactly-once.md). So every offset is committed with a receipt: how many outcomes of the
claims just before it were published, and since when. The next reader of the partition counts them
in the output topics, and so does not have to trust any marker.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from confluent_kafka import TopicPartition

Place = tuple[str, int]
"""Topic and partition."""

_TEXT: Final = re.compile(
    r"v1 since=(\d{1,15}) begin=(\d{1,19}) outcomes=(\d{1,9}) by=(.+?)"
    r"(?: key=([0-9a-f]{32}))?"
)


class Receipt(NamedTuple):
    """The writer's published outcomes for a partition's claims in [begin, committed offset)."""

    since_ms: int
    """No outcome of a claim at or after `begin` is older; milliseconds since the epoch."""
    begin: int
    """The writer has seen every outcome of the claims before this offset committed."""
    outcomes: int
    by: str
    """Transactional id of the writer."""
    key: str = ""
    """Secret of the writer and its successors; see `consumer.redrive.marks`."""

    def text(self) -> str:
        """The receipt as metadata of a committed offset."""
        key = f" key={self.key}" if self.key else ""
        numbers = f"since={self.since_ms} begin={self.begin} outcomes={self.outcomes}"
        return f"v1 {numbers} by={self.by}{key}"

    @classmethod
    def parse(cls, text: str | None) -> "Receipt | None":
        """Read it back; None if something else committed the offset."""
        found = _TEXT.fullmatch(text or "")
        if found is None:
            return None
        since_ms, begin, outcomes = map(int, found.groups()[:3])
        return cls(since_ms, begin, outcomes, found[4], found[5] or "")


class _Stretch:
    """State of one partition since it was taken over or last proved."""

    def __init__(self, offset: int, since_ms: int, keep_until: int) -> None:
        self.offset = self.begin = offset
        self.since_ms = since_ms
        self.keep_until = keep_until
        """Up to this offset `since_ms` must not move: outcomes beyond are already visible."""
        self.outcomes = 0
        self.text: str | None = None
        self.written_ms = 0


class Mark(NamedTuple):
    """The committed state at one moment, to be proved later; see `Receipts.mark`."""

    since_ms: int
    reached: Mapping[Place, tuple[_Stretch, int, int]]
    """Stretch, committed offset and outcomes at that time, by partition."""


class Receipts:
    """The receipts of one worker. Written by its loop and its commit thread, read by the prover."""

    def __init__(self, by: str) -> None:
        """Start without any partitions.

        Args:
            by: the worker's transactional id.
        """
        self._by = by
        self.key = ""
        """Added to every receipt."""
        self._stretches: dict[Place, _Stretch] = {}
        self._lock = threading.Lock()
        self._began_ms: int | None = None
        self._pending: list[tuple[_Stretch, int, int, str]] = []

    def taken(self, place: Place, offset: int, since_ms: int, keep_until: int = 0) -> None:
        """From now on, this worker reads a partition.

        Args:
            place: the partition.
            offset: of the first claim to read.
            since_ms: the earliest time an outcome at or after it can have been written.
            keep_until: some claims before this offset already have visible outcomes.
        """
        with self._lock:
            self._stretches[place] = _Stretch(offset, since_ms, keep_until)

    def is_last(self, place: Place, text: str | None) -> bool:
        """True if the metadata of a committed offset is what this worker wrote last."""
        known = self._stretches.get(place)
        return known is not None and known.text is not None and known.text == text

    def began(self, now_ms: int) -> None:
        """A transaction begins; nothing in it is older than this."""
        with self._lock:
            self._began_ms = now_ms

    def older(self, places: Iterable[Place], since_ms: int) -> None:
        """Outcomes of these partitions are about to be written with a past timestamp."""
        with self._lock:
            for place in places:
                stretch = self._stretches[place]
                stretch.since_ms = min(stretch.since_ms, since_ms)

    def write(
        self, offsets: Mapping[Place, int], outcomes: Mapping[Place, int], now_ms: int
    ) -> list[TopicPartition]:
        """The transaction's next offsets with their receipts.

        Args:
            offsets: next offsets to commit.
            outcomes: how many outcomes the transaction publishes, by source partition.
            now_ms: milliseconds since the epoch.
        """
        with self._lock:
            self._pending = []
            return [
                self._written(place, offset, outcomes.get(place, 0), now_ms)
                for place, offset in offsets.items()
            ]

    def _written(self, place: Place, offset: int, more: int, now_ms: int) -> TopicPartition:
        stretch = self._stretches[place]
        count = stretch.outcomes + more
        text = Receipt(stretch.since_ms, stretch.begin, count, self._by, self.key).text()
        self._pending.append((stretch, offset, more, text))
        stretch.written_ms = now_ms
        return TopicPartition(*place, offset, text)

    def committed(self) -> None:
        """The transaction that was written last is committed."""
        with self._lock:
            for stretch, offset, more, text in self._pending:
                stretch.offset, stretch.text = offset, text
                stretch.outcomes += more
            self._pending, self._began_ms = [], None

    def aborted(self) -> None:
        """The transaction is not committed, or that is unknown."""
        with self._lock:
            self._pending, self._began_ms = [], None

    def stale(self, places: Iterable[Place], older_than_ms: int) -> dict[Place, int]:
        """Committed offsets of these partitions whose receipts were written before that moment.

        With an old receipt the next owner has to read everything published since. Partitions of
        the transaction in flight are excluded: their offsets are about to change.
        """
        with self._lock:
            pending = {id(stretch) for stretch, *_ in self._pending}
            return {
                place: known.offset
                for place in places
                if (known := self._stretches.get(place)) is not None
                and known.text is not None
                and known.written_ms < older_than_ms
                and id(known) not in pending
            }

    def mark(self, now_ms: int) -> Mark:
        """The currently committed state.

        Once every record in the output topics after this call is known to be committed or
        aborted, `prove` may be called.
        """
        with self._lock:
            since = now_ms if self._began_ms is None else self._began_ms
            return Mark(
                since, {p: (s, s.offset, s.outcomes) for p, s in self._stretches.items() if s.text}
            )

    def prove(self, mark: Mark) -> None:
        """Everything committed at the mark is complete: later receipts begin there."""
        with self._lock:
            for place, (stretch, offset, outcomes) in mark.reached.items():
                if self._stretches.get(place) is not stretch or offset < stretch.begin:
                    continue
                stretch.begin = offset
                stretch.outcomes -= outcomes
                if offset >= stretch.keep_until:
                    stretch.since_ms = mark.since_ms
