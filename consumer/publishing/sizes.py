"""Finds records that do not fit their topic.

The maximum record size is a setting of the topic, applies after compression, and may change at any
time. So nothing is computed beforehand: if the brokers refuse a transaction because of its size,
the same records are sent once more by a producer that compresses them and sends each separately.
What is refused then does not fit, and it is known which claim it belongs to.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.batch.process import Outcome
from consumer.batch.records import Record
from consumer.errors import TooLargeError
from consumer.kafka.client import kafka_error, stopped
from consumer.kafka.producing import produce
from consumer.settings.settings import Delivery, Settings
from schemas.alert import Source

TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
CUT_SHORT: Final = frozenset(
    {
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._PURGE_QUEUE,
        KafkaError._STATE,
    }
)
"""Errors that the client reports instead for a transaction that has already failed."""
POLL_S: Final = 0.1
ALONE_S: Final = 30.0
"""Large records come in series: each change of the producer and back costs seconds."""
LARGE_BYTES: Final = 200_000
"""Uncompressed; smaller records fit any topic."""
MANY_HEADERS: Final = 100
COMPRESSED: Final = {"compression.type": "zstd", "compression.level": "9"}
# One at a time: after a refused one, those in transit behind it would be refused for their
# sequence numbers, some of them only after a timeout.
ALONE: Final = {**COMPRESSED, "batch.size": "1", "max.in.flight": "1", "linger.ms": "0"}


def is_too_large(error: KafkaException) -> bool:
    """True if the client or the broker refused one or several records because of their size."""
    return kafka_error(error).code() in TOO_LARGE


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
        self._refused: set[Source] = set()
        self._passed = False
        self._failed: KafkaError | None = None
        # The outcome of a transaction is that of all its records: no individual reports are needed.
        transactional = settings.delivery is Delivery.EXACTLY_ONCE
        self._report = None if transactional else self._noted

    @property
    def settings(self) -> Settings:
        """Settings for the producer in which the records are queued."""
        return _with(self._settings, ALONE) if self.alone else self._settings

    def queue(self, producer: Producer, outcome: Outcome) -> None:
        """Queue all records of an outcome; if each is sent alone, wait until all are delivered.

        Raises:
            KafkaException: one is refused.
        """
        self._refused.clear()
        self._failed = None
        alerts, letters = self._settings.alerts_topic, self._settings.dead_letter_topic
        if self.alone:
            self._queue_alone(producer, alerts, outcome.alerts, outcome.alert_sources)
            self._queue_alone(producer, letters, outcome.dead_letters, outcome.letter_sources)
            # The others behind a refused one are not sent: a commit would wait for them until
            # the transaction has timed out.
            while len(producer) and self._failed is None:
                producer.poll(POLL_S)
            self.check_delivered()
        else:
            produce(producer, alerts, outcome.alerts, self._report)
            produce(producer, letters, outcome.dead_letters, self._report)

    def _queue_alone(
        self,
        producer: Producer,
        topic: str,
        records: Iterable[Record],
        sources: Sequence[Source],
    ) -> None:
        for record, source in zip(records, sources, strict=True):
            try:
                produce(producer, topic, [record], partial(self._delivered, source))
            except KafkaException as error:
                if is_too_large(error):
                    self._refused.add(source)
                raise

    def _delivered(self, source: Source, error: KafkaError | None, _: Message) -> None:
        if error is not None and error.code() in TOO_LARGE:
            self._refused.add(source)
        self._failed = self._failed or error

    def _noted(self, error: KafkaError | None, _: Message) -> None:
        self._failed = self._failed or error

    def check_delivered(self) -> None:
        """Check a flushed producer without transactions, or records that were sent alone.

        Raises:
            KafkaException: a record was not delivered.
        """
        if self._failed is not None:
            raise KafkaException(self._failed)

    def suspected(self, error: KafkaException) -> bool:
        """True if nothing of the outcome was published because a record may not fit."""
        return bool(self._refused) or kafka_error(error).code() in TOO_LARGE | CUT_SHORT

    def committed(self, outcome: Outcome) -> None:
        """The queued records are published; runs in the committing thread."""
        self._passed = self.alone and bool(outcome.alerts or outcome.dead_letters)
        if self._passed and any(map(_is_large, chain(outcome.alerts, outcome.dead_letters))):
            self._alone_until = self._clock() + ALONE_S

    def relax(self) -> bool:
        """True if it is time to return to a producer with the normal settings, from now on."""
        if self._clock() < self._alone_until:
            return False
        relaxed, self._passed = self._passed, False
        self.alone = self.alone and not relaxed
        return relaxed

    def refused(self, error: KafkaException) -> TooLargeError:
        """The error to raise once it is clear that nothing of the outcome is published.

        The next outcome is sent by a producer with other settings, if this one was not.
        """
        found = frozenset(self._refused)
        self.alone = True
        self._alone_until = self._clock() + ALONE_S
        return TooLargeError(str(stopped(error, "publishing")), found)
