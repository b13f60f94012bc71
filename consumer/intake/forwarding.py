"""Posted claims on their way to the claims topic: each request waits until Kafka has its own."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec.structs import replace

from consumer.background import in_background
from consumer.batch.records import Record
from consumer.intake.reachable import Reachable
from consumer.intake.waiting import Waiting
from consumer.kafka.client import kafka_error
from consumer.kafka.producing import make_producer
from consumer.kafka.topics import WRITES, require_topics
from consumer.settings.settings import Delivery, Forward, Settings
from consumer.telemetry.health import Check
from consumer.web.forwarding import Take, Untaken

log = logging.getLogger(__name__)

WITHIN_S: Final = 5.0
"""After which the client gives a record up; less than a stopping server waits for requests."""
MARGIN_S: Final = 2.0
"""The client looks for such records once a second."""
MOST_RECORDS: Final = 10_000
MOST_BYTES: Final = 64_000_000
"""Records not acknowledged yet, of all requests together; above either, requests are refused."""
TICK_S: Final = 0.1

_UNTAKEN: Final = {
    KafkaError.MSG_SIZE_TOO_LARGE: Untaken.TOO_LARGE,
    KafkaError._MSG_TIMED_OUT: Untaken.TIMEOUT,
}


class Forwarder:
    """Produces records for requests. Called on the event loop, which it never blocks."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._records = self._bytes = 0
        self._fatal: str | None = None

    async def take(self, records: Sequence[Record]) -> Sequence[Untaken | None]:
        """Produce records and wait until all are acknowledged, at most WITHIN_S + MARGIN_S.

        Returns:
            For each, None if it is in the topic, otherwise why that is not known.
        """
        sizes = [len(record.key or b"") + len(record.value or b"") for record in records]
        if not self._admitted(len(sizes), sum(sizes)):
            return [Untaken.FULL] * len(sizes)
        waiting = Waiting(len(sizes))
        for number, (record, size) in enumerate(zip(records, sizes, strict=True)):
            self._produce(record, partial(self._reported, waiting, number, size))
        return await waiting.answer(WITHIN_S + MARGIN_S)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve delivery reports while the body runs; then wait for what is left."""
        try:
            with in_background(self._serve, "forwarding", self._stopping):
                yield
        finally:
            left = self._producer.flush(WITHIN_S + MARGIN_S)
            if left:
                log.warning("%d claims, answered with 503, were not acknowledged", left)

    def broken(self) -> str | None:
        """A check of health: the producer can be used."""
        return self._fatal

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        left = len(self._producer)
        what = f"it is unknown whether the last {left} posted claims are in {self._topic}"
        return what if left else None

    def _admitted(self, records: int, size: int) -> bool:
        with self._lock:
            if self._records + records > MOST_RECORDS or self._bytes + size > MOST_BYTES:
                return False
            self._records += records
            self._bytes += size
            return True

    def _produce(self, record: Record, report: "partial[None]") -> None:
        try:
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                headers=list(record.headers or ()),
                on_delivery=report,
            )
        except BufferError:
            report(KafkaError(KafkaError._QUEUE_FULL), None)
        except KafkaException as error:
            report(kafka_error(error), None)

    def _reported(
        self,
        waiting: Waiting,
        number: int,
        size: int,
        error: KafkaError | None,
        _: Message | None,
    ) -> None:
        """A record was delivered, or not; called in any thread."""
        with self._lock:
            self._records -= 1
            self._bytes -= size
        waiting.report(number, None if error is None else self._why(error))

    def _why(self, error: KafkaError) -> Untaken:
        if error.code() == KafkaError._QUEUE_FULL:
            return Untaken.FULL
        log.warning("a posted claim is not in %s: %s", self._topic, error.str())
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = f"the producer has failed permanently: {error.str()}"
        return _UNTAKEN.get(error.code(), Untaken.REFUSED)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(TICK_S)


class Intake(NamedTuple):
    """What becomes of posted claims, in the terms of the server: by default, nothing."""

    take: Take | None = None
    """Produces them."""
    ready: tuple[Check, ...] = ()
    healthy: tuple[Check, ...] = ()
    unknown: Callable[[], str | None] = lambda: None
    """Describes what Kafka has not answered."""


def producer_settings(settings: Settings) -> Settings:
    """Settings of a producer that sends at once and gives a record up in time.

    A batch of at most 64 kB fits any topic, so a record that does not fit takes no others with it.
    """
    own = {
        name: value
        for name, value in settings.librdkafka.items()
        if name not in {"delivery.timeout.ms", "message.timeout.ms"}
    }
    librdkafka = {
        "linger.ms": "0",
        "batch.size": "65536",
        **own,
        "delivery.timeout.ms": str(int(WITHIN_S * 1_000)),
    }
    return replace(settings, delivery=Delivery.AT_LEAST_ONCE, librdkafka=librdkafka)


@contextlib.contextmanager
def intake(settings: Settings) -> Iterator[Intake]:
    """The intake that API_FORWARD enables, while the body runs; what is in flight is waited for.

    Raises:
        KafkaStoppedError: the claims topic or the right to write to it is missing.
        SettingsError: the client rejects a KAFKA_* setting.
    """
    if settings.api_forward is Forward.OFF:
        yield Intake()
        return
    topic = settings.claims_topic
    require_topics(settings, {topic: WRITES})
    producer = make_producer(producer_settings(settings))
    forwarder, reachable = Forwarder(producer, topic), Reachable(producer, topic)
    with forwarder.running(), reachable.watched():
        yield Intake(forwarder.take, (reachable.fault,), (forwarder.broken,), forwarder.unknown)
