"""Taking over partitions: nothing is read until their last transactions are known to be complete.

1. The group's offsets are stable: no transaction that contains any of these partitions is open.
2. The outputs are decided up to where they ended after that: every record is committed or aborted.
3. The outcomes counted by the receipt next to the committed offset are visible. If some are
   missing, reading starts before the committed offset, where the receipt begins; claims that have
   a visible outcome, there or beyond the committed offset, are skipped.

So it does not matter how a dead transaction was ended, by whom, or in which of its partitions:
what is missing is scored again, what is there is not.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from consumer.intake.evidence import Evidence
from consumer.kafka.client import REFUSED, kafka_error, stopped
from consumer.kafka.outputs import Ends
from consumer.kafka.receipts import Place, Receipt, Receipts

log = logging.getLogger(__name__)

STEP_S: Final = 0.2

Search = Callable[[Mapping[Place, int], int, Collection[Place]], Evidence]
"""Begins to read outcomes: up to these ends, from this time on, of these partitions; the arguments
`ends`, `since_ms` and `of` of `Evidence`."""


class Start(NamedTuple):
    """The position from which to read a partition."""

    offset: int
    done: frozenset[int] = frozenset()
    """Offsets at or after `offset` whose claims already have an outcome."""


class Judged(NamedTuple):
    """The findings about one partition."""

    start: Start
    missing: int
    """Outcomes that the receipt counts but nobody can see."""


def judge(committed: int, receipt: Receipt | None, visible: Iterable[int]) -> Judged:
    """Decide where to start, given the offsets of claims with a visible outcome; pure."""
    if receipt is None or receipt.begin > committed:  # no worker wrote such a receipt
        return Judged(Start(committed), 0)
    seen = frozenset(offset for offset in visible if offset >= receipt.begin)
    missing = receipt.outcomes - sum(offset < committed for offset in seen)
    begin = receipt.begin if missing > 0 else committed
    return Judged(Start(begin, frozenset(o for o in seen if o >= begin)), max(missing, 0))


class TakeOver:
    """One takeover at a time; see the module."""

    def __init__(self, receipts: Receipts, outputs: Ends, search: Search) -> None:
        """Start without a takeover.

        Args:
            receipts: updated with what is taken over.
            outputs: the topics that are written.
            search: reads them, to find which claims have a visible outcome.
        """
        self._search = search
        self._receipts = receipts
        self._outputs = outputs
        self._ends: dict[Place, int] | None = None
        self._decided = False
        self._evidence: Evidence | None = None
        self._distrust = False
        self.open: dict[Place, int] = {}
        """Output partitions blocked by an open transaction, with its first offset."""

    @property
    def seen(self) -> int:
        """Number of output records examined in this step and those before it."""
        return 0 if self._evidence is None else self._evidence.seen

    def restart(self, *, distrust: bool) -> None:
        """Start over, as after every rebalance.

        Args:
            distrust: also check partitions whose receipts are this worker's own: a transaction
                was aborted, and may have ended more than itself.
        """
        self._distrust |= distrust
        self._ends, self._decided, self.open = None, False, {}
        if self._evidence is not None:
            self._evidence.close()
            self._evidence = None

    def step(self, committed: Sequence[TopicPartition]) -> dict[Place, Start] | None:
        """Do one step; None until it is known where to start.

        Args:
            committed: what the group has committed, stable, with metadata.

        Raises:
            KafkaStoppedError: the right to read the outputs is missing.
        """
        if not committed:
            return {}
        try:
            return self._step({(p.topic, p.partition): p for p in committed})
        except KafkaException as error:
            if kafka_error(error).code() in REFUSED:
                raise stopped(error, f"checking {', '.join(self._outputs.topics)}") from error
            log.warning("the outputs cannot be checked yet: %s", error.args[0].str())
            self.restart(distrust=False)
            return None

    def _step(self, committed: dict[Place, TopicPartition]) -> dict[Place, Start] | None:
        now_ms = time.time_ns() // 1_000_000
        receipts = {p: self._receipt(p, committed[p].metadata) for p in committed}
        unknown = {place: found for place, found in receipts.items() if found is not None}
        if not self._outputs_decided():
            return None
        visible = self._visible(unknown)
        if visible is None:
            return None
        starts = {}
        for place, asked in committed.items():
            seen = visible.get(place, set())
            starts[place] = self._start(place, asked.offset, receipts[place], seen)
            self._note(place, starts[place], receipts[place], asked.metadata, now_ms)
        self._distrust = False
        self.restart(distrust=False)
        return starts

    def _receipt(self, place: Place, text: str | None) -> Receipt | None:
        """The receipt to check, None if there is no need."""
        if not self._distrust and self._receipts.is_last(place, text):
            return None
        return Receipt.parse(text)

    def _outputs_decided(self) -> bool:
        if self._ends is None:
            self._ends = self._outputs.written()
        if not self._decided:
            self.open = self._outputs.open(self._ends)
            self._decided = not self.open
        return self._decided

    def _visible(self, unknown: dict[Place, Receipt]) -> dict[Place, set[int]] | None:
        if not unknown:
            return {}
        if self._evidence is None:
            assert self._ends is not None
            since = min(receipt.since_ms for receipt in unknown.values())
            self._evidence = self._search(self._ends, since, unknown)
        return self._evidence.found if self._evidence.step(STEP_S) else None

    def _start(
        self, place: Place, offset: int, receipt: Receipt | None, visible: Iterable[int]
    ) -> Start:
        start, missing = judge(offset, receipt, visible)
        if missing or start.done:
            assert receipt is not None
            log.warning(
                "%s[%d]: a transaction of %s was incomplete: %d outcomes are missing, %d are there "
                "beyond the offset to read from; scoring what is missing from offset %d on",
                *place, receipt.by, missing, len(start.done), start.offset,
            )  # fmt: skip
        return start

    def _note(
        self, place: Place, start: Start, receipt: Receipt | None, text: str | None, now_ms: int
    ) -> None:
        if receipt is None and self._receipts.is_last(place, text):
            return  # nobody else has read it meanwhile: what is known about it is still valid
        if start.done and receipt is not None:
            self._receipts.taken(place, start.offset, receipt.since_ms, max(start.done) + 1)
        else:
            self._receipts.taken(place, start.offset, now_ms)
