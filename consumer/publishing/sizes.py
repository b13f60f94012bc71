"""Finds records that do not fit their topic.

The maximum record size is a setting of the topic, applies after compression, and may change at any
time. So nothing is computed beforehand: if the brokers refuse a transaction because of its size,
the same records are sent once more by a producer that compresses them and sends each separately.
What is refused then does not fit, and it is known which claim it belongs to.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from confluent_kafka import KafkaException, Producer

from consumer.batch.records import Record
from consumer.errors import TooLargeError
from consumer.kafka.client import kafka_error, stopped
from consumer.kafka.producing import produce
from consumer.publishing.publication import Output, Publication
from consumer.publishing.reports import CUT_SHORT, TOO_LARGE, DeliveryReports
from consumer.settings.settings import Delivery, Settings

ALONE_S: Final = 30.0
"""Large records come in runs: switching the producer and back costs seconds."""
LARGE_BYTES: Final = 200_000
"""Uncompressed; smaller records fit any topic."""
MANY_HEADERS: Final = 100
COMPRESSED: Final = {"compression.type": "zstd", "compression.level": "9"}
# One at a time: after a refused one, those in transit behind it would be refused for their
# sequence numbers, some of them only after a timeout.
ALONE: Final = {**COMPRESSED, "batch.size": "1", "max.in.flight": "1", "linger.ms": "0"}


def compressed(settings: Settings) -> Settings:
    """Settings for a producer that sends everything the topic accepts."""
    return _with(settings, COMPRESSED)


def _with(settings: Settings, properties: dict[str, str]) -> Settings:
    return msgspec.structs.replace(settings, librdkafka={**settings.librdkafka, **properties})


def _is_large(record: Record) -> bool:
    size = len(record.key or b"") + len(record.value or b"")
    return size > LARGE_BYTES or len(record.headers or ()) > MANY_HEADERS


class Sizes:
    """Queues the records of outcomes; tracks how, and which were refused because of their size.

    Attributes:
        alone: each record is compressed and sent separately.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.alone = False
        self._clock = clock
        self._alone_until = 0.0
        self._settings = settings
        self._reports = DeliveryReports()
        self._passed = False
        self._queued: Sequence[Record] = ()
        """What is sent alone, until it is committed."""
        # The outcome of a transaction is that of all its records: no individual reports are needed.
        transactional = settings.delivery is Delivery.EXACTLY_ONCE
        self._report = None if transactional else self._reports.note

    @property
    def settings(self) -> Settings:
        """Settings for the producer in which the records are queued."""
        return _with(self._settings, ALONE) if self.alone else self._settings

    def queue(self, producer: Producer, publication: Publication) -> None:
        """Queue all records; if each is sent alone, wait until all are delivered.

        Raises:
            KafkaException: one is refused.
        """
        self._reports.clear()
        self._queued = list(publication.records) if self.alone else ()
        for output in publication.outputs:
            if self.alone:
                self._queue_alone(producer, output)
            else:
                produce(producer, output.topic, output.records, self._report)
        if self.alone:
            self._reports.wait(producer)

    def _queue_alone(self, producer: Producer, output: Output) -> None:
        for record, source in zip(output.records, output.sources, strict=True):
            report = self._reports.of(source)
            try:
                produce(producer, output.topic, [record], report)
            except KafkaException as error:
                report(kafka_error(error), None)
                self._reports.find_cause(producer)
                raise

    def check_delivered(self) -> None:
        """Check a flushed producer without transactions.

        Raises:
            KafkaException: a record was not delivered.
        """
        self._reports.check()

    def suspected(self, error: KafkaException) -> bool:
        """True if nothing of the outcome was published because a record may not fit."""
        return bool(self._reports.refused) or kafka_error(error).code() in TOO_LARGE | CUT_SHORT

    def committed(self) -> None:
        """The queued records are published; runs in the committing thread."""
        records, self._queued = self._queued, ()
        self._passed = bool(records)
        if any(map(_is_large, records)):
            self._alone_until = self._clock() + ALONE_S

    def relax(self) -> bool:
        """True if it is time to go back to a producer with the normal settings."""
        if self._clock() < self._alone_until:
            return False
        relaxed, self._passed = self._passed, False
        self.alone = self.alone and not relaxed
        return relaxed

    def refused(self, error: KafkaException) -> TooLargeError:
        """The error to raise once it is clear that nothing of the outcome is published.

        The next outcome is sent by a producer with other settings, if this one was not.
        """
        found = frozenset(self._reports.refused)
        self.alone = True
        self._alone_until = self._clock() + ALONE_S
        return TooLargeError(str(stopped(error, "publishing")), found)
