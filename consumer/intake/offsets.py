"""Start offsets of partitions: what the group has committed, or else where reading started."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.errors import KafkaStoppedError
from consumer.intake.takeover import Start
from consumer.kafka.client import FENCED, TRANSIENT, kafka_error, stopped
from consumer.kafka.receipts import Place

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0


class Offsets:
    """Next offsets to read, as reported by the broker."""

    def __init__(self, consumer: Consumer, reset: str) -> None:
        """Start without any offsets.

        Args:
            consumer: a member of the group.
            reset: ``auto.offset.reset``, for partitions without a committed offset.
        """
        self._consumer = consumer
        self._reset = reset
        self.begun: dict[Place, int] = {}
        """Start offset of each current partition."""

    def find(
        self, partitions: Sequence[TopicPartition], timeout_s: float
    ) -> list[TopicPartition] | None:
        """The offsets to read from, None if they are not available yet.

        Under read_committed the broker returns nothing while the outcome of a transaction that
        contains offsets of these partitions is unknown (KIP-447). A partition without a committed
        offset is read from where it started before: applying auto.offset.reset again after an
        abort would skip what has arrived since.

        Raises:
            KafkaStoppedError: the broker refuses to answer, or there is no offset to start from.
        """
        if not partitions:
            return []
        try:
            found = [self._start(place, timeout_s) for place in self._told(partitions, timeout_s)]
        except KafkaException as error:
            inner = kafka_error(error)
            if not inner.retriable() and inner.code() not in TRANSIENT | FENCED:
                raise stopped(error, "reading the committed offsets") from error
            log.warning("committed offsets not available yet: %s", inner.str())
            return None
        for place in found:
            self.begun.setdefault((place.topic, place.partition), place.offset)
        return found

    def _told(self, partitions: Sequence[TopicPartition], timeout_s: float) -> list[TopicPartition]:
        found: list[TopicPartition] = self._consumer.committed(list(partitions), timeout=timeout_s)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return found

    def _start(self, place: TopicPartition, timeout_s: float) -> TopicPartition:
        if place.offset >= 0:
            return place
        known = self.begun.get((place.topic, place.partition))
        offset = self._first(place, timeout_s) if known is None else known
        return TopicPartition(place.topic, place.partition, offset)

    def _first(self, place: TopicPartition, timeout_s: float) -> int:
        """The beginning of a partition, unless KAFKA_AUTO_OFFSET_RESET requires stopping."""
        if self._reset in {"error", "none"}:
            raise KafkaStoppedError(
                f"nothing is committed for {place.topic}[{place.partition}], "
                f"and KAFKA_AUTO_OFFSET_RESET={self._reset}"
            )
        return self._bounds(place, timeout_s)[0]

    def _bounds(self, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
        found = self._consumer.get_watermark_offsets(place, timeout=timeout_s)
        if not found:  # the client's answer when time is up
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        low, high = found
        return low, high

    def within_log(
        self, starts: Mapping[Place, Start], *, patient: bool
    ) -> dict[Place, Start] | None:
        """The starts, or the beginning of a log if that is later; None: ask again.

        Raises:
            KafkaStoppedError: a log ends before its start (unless `patient`), or begins after it
                and KAFKA_AUTO_OFFSET_RESET requires stopping.
        """
        try:
            bounds = {p: self._bounds(TopicPartition(*p), TIMEOUT_S) for p in starts}
        except KafkaException as error:
            inner = kafka_error(error)
            if not inner.retriable() and inner.code() not in TRANSIENT:
                raise stopped(error, "reading the ends of the claims topic") from error
            log.warning("the ends of the claims topic are not available yet: %s", inner.str())
            return None
        if patient and any(starts[p].offset > high for p, (_, high) in bounds.items()):
            return None
        return {p: self._within(p, start, *bounds[p]) for p, start in starts.items()}

    def _within(self, place: Place, start: Start, low: int, high: int) -> Start:
        topic, partition = place
        if start.offset > high:
            raise KafkaStoppedError(
                f"{topic}[{partition}] ends at {high}, before the committed offset {start.offset}: "
                "the topic was deleted and recreated, or lost records. Decide where to continue, "
                "and set the group's offsets (docs/runbook.md, offsets beyond the end)"
            )
        if start.offset >= low:
            return start
        lost = f"{topic}[{partition}]: claims from offset {start.offset} to {low - 1} were "
        lost += "deleted before they were scored (retention of the claims topic)"
        if self._reset in {"error", "none"}:
            raise KafkaStoppedError(f"{lost}, and KAFKA_AUTO_OFFSET_RESET={self._reset}")
        log.error("%s; continuing from the beginning of the log", lost)
        return Start(low, frozenset(offset for offset in start.done if offset >= low))

    def forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Another worker reads these from now on."""
        for place in partitions:
            self.begun.pop((place.topic, place.partition), None)

    def keep(self, partitions: Sequence[TopicPartition]) -> None:
        """These form a new assignment; all others belong to other workers.

        An eager rebalance takes all partitions away first. Nobody has read those that come
        back meanwhile, so their start offsets are still valid.
        """
        kept = {(place.topic, place.partition) for place in partitions}
        self.begun = {place: offset for place, offset in self.begun.items() if place in kept}
