"""Determines which claims have a visible outcome by reading the output topics themselves."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition

from consumer.batch.decode import headers_of
from consumer.batch.records import Message
from consumer.kafka.client import REFUSED, make_onlooker, stopped
from consumer.kafka.portions import take
from consumer.kafka.receipts import Place
from consumer.settings.settings import Settings
from schemas.dead_letter import HEADER_OF, Header
from schemas.decoding.refusal import RefusedError

log = logging.getLogger(__name__)

CLOCK_MARGIN_MS: Final = 5_000
"""Margin for a worker's clock stepping back, or differing from the timestamping broker's."""
TIMEOUT_S: Final = 5.0
READING: Final[dict[str, Any]] = {
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 32_768,
}
_AT_ONCE: Final = 2_000
_PLACE: Final = tuple(HEADER_OF[field] for field in ("topic", "partition", "offset"))


Origin = Callable[[Message], tuple[Place, int] | None]
"""Returns the coordinates of the record an outcome belongs to, None if it is not an outcome."""


class Evidence:
    """Reads outcomes of some partitions, step by step, up to where the outputs ended."""

    def __init__(
        self,
        settings: Settings,
        ends: Mapping[Place, int],
        since_ms: int,
        of: Collection[Place],
        origin: Origin,
    ) -> None:
        """Find where to start.

        Args:
            settings: connection and group.
            ends: offset up to which each output partition is read; everything before is decided.
            since_ms: nothing older is relevant, milliseconds since the epoch.
            of: partitions of the topic that is read.
            origin: returns the record that an outcome belongs to.

        Raises:
            KafkaException: Kafka does not answer.
        """
        self.found: dict[Place, set[int]] = defaultdict(set)
        """Offsets of claims with a visible outcome, by partition."""
        self.seen = 0
        """Number of records examined so far."""
        self._of = frozenset(of)
        self._origin = origin
        self._consumer = make_onlooker(settings, "read_committed", READING)
        try:
            self._left = self._begin(ends, since_ms - CLOCK_MARGIN_MS)
        except BaseException:
            self.close()
            raise

    def _begin(self, ends: Mapping[Place, int], since_ms: int) -> dict[Place, int]:
        asked = [TopicPartition(*place, max(since_ms, 0)) for place, end in ends.items() if end > 0]
        starts = self._consumer.offsets_for_times(asked, TIMEOUT_S) if asked else []
        left, assigned = {}, []
        for start in starts:
            if start.error is not None:
                raise KafkaException(start.error)
            place = start.topic, start.partition
            if 0 <= start.offset < ends[place]:  # -1: nothing is that recent
                left[place] = ends[place]
                assigned.append(start)
        self._consumer.assign(assigned)
        return left

    def step(self, seconds: float) -> bool:
        """Continue reading for about that long; True once everything has been read.

        Raises:
            KafkaStoppedError: the right to read one of the topics is missing.
            KafkaException: Kafka refuses for another reason.
        """
        end = time.monotonic() + seconds
        while self._left and time.monotonic() < end:
            for message in take(self._consumer, _AT_ONCE, 0.02):
                error = message.error()
                if error is None:
                    self._note(message)
                elif error.code() in REFUSED:
                    raise stopped(KafkaException(error), f"reading {message.topic()}")
                elif error.fatal() or not error.retriable():
                    raise KafkaException(error)
            for place in self._consumer.position([TopicPartition(*p) for p in self._left]):
                where = place.topic, place.partition
                if place.offset >= self._left[where]:
                    del self._left[where]
        return not self._left

    def _note(self, message: Message) -> None:
        self.seen += 1
        source = self._origin(message)
        if source is not None and source[0] in self._of:
            self.found[source[0]].add(source[1])

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def source_of(message: Message) -> tuple[Place, int] | None:
    """The `Origin` of alerts and dead letters: the claim."""
    try:
        headers = headers_of(message)
        return source_of_headers(headers)
    except (RefusedError, ValueError):  # written by someone else
        return None


def source_of_headers(headers: list[Header]) -> tuple[Place, int] | None:
    """The same, from the headers of an alert (a CloudEvent) or of a dead letter.

    Raises:
        ValueError: they look like one but are not.
    """
    found = dict(headers)
    if _PLACE[0] in found:
        topic, partition, offset = (_text(found.get(name)) for name in _PLACE)
        return (topic, int(partition)), int(offset)
    if "ce_id" in found:
        topic, partition, offset, _ = _text(found["ce_id"]).rsplit("-", 3)
        return (topic, int(partition)), int(offset)
    return None


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
