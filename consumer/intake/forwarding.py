"""Posted claims on their way to the claims topic: each request waits until Kafka has its claims."""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.background import in_background
from consumer.batch.records import Record
from consumer.kafka.client import kafka_error
from consumer.publishing.reports import TOO_LARGE
from consumer.web.forwarding import Untaken

log = logging.getLogger(__name__)

WITHIN_S: Final = 4.0
"""After this the client gives up on a record; less than a stopping server waits for requests."""
MARGIN_S: Final = 1.5
"""The client looks for such records once a second."""
TICK_S: Final = 0.1
QUIET_S: Final = 1.0
"""For this long the same error is not logged again: an outage causes one per claim."""

_UNTAKEN: Final = {
    **dict.fromkeys(TOO_LARGE, Untaken.TOO_LARGE),
    KafkaError._MSG_TIMED_OUT: Untaken.TIMEOUT,
}


@dataclass(frozen=True)
class ForwardingLimits:
    """How long a request waits, and how much may wait at once over all requests.

    Attributes:
        records: not acknowledged yet; requests beyond this are refused.
        size: bytes of those records; likewise.
        answer_s: seconds after which a record without a report has timed out.
    """

    records: int = 10_000
    size: int = 64_000_000
    answer_s: float = WITHIN_S + MARGIN_S


class Waiting:
    """What has become of one request's records."""

    def __init__(self, count: int) -> None:
        """Expect `count` reports. Called on the event loop."""
        self._found: list[Untaken | None] = [Untaken.TIMEOUT] * count
        self._left = count
        self._loop = asyncio.get_running_loop()
        self._all = self._loop.create_future()
        self._lock = threading.Lock()
        self._ended = False

    def report(self, number: int, found: Untaken | None) -> None:
        """Note what has become of a record; called once for each, from any thread."""
        with self._lock:
            self._found[number] = found
            self._left -= 1
            # A request that no longer waits may have outlived its event loop.
            if not self._left and not self._ended:
                self._loop.call_soon_threadsafe(self._wake)

    async def answer(self, seconds: float) -> list[Untaken | None]:
        """Wait for every report, at most this long; a record without one has timed out."""
        try:
            await asyncio.wait([self._all], timeout=seconds)
        finally:
            with self._lock:
                self._ended = True
        return list(self._found)

    def _wake(self) -> None:
        if not self._all.done():
            self._all.set_result(None)


class Posted(NamedTuple):
    """A record of a request, which waits for it."""

    record: Record
    size: int
    waiting: Waiting
    number: int
    """Of the record in its request."""


class Forwarder:
    """Produces records for requests. Called on the event loop, which it never blocks.

    Kafka refuses a batch that does not fit the topic as a whole, and the client does not say whose
    fault it was. So each record of such a batch is sent once more, alone: what is refused then does
    not fit.
    """

    def __init__(
        self,
        producer: Producer,
        alone: Callable[[], Producer],
        topic: str,
        clock: Callable[[], float] = time.monotonic,
        limits: ForwardingLimits = ForwardingLimits(),
    ) -> None:
        """Forward nothing yet.

        Args:
            producer: sends records together.
            alone: makes one that sends each separately; called once it is needed.
            topic: of the claims.
            clock: in seconds; limits repeated warnings.
            limits: of what waits.
        """
        self._producer = producer
        self._make_alone = alone
        self._alone: Producer | None = None
        self._topic = topic
        self._clock = clock
        self._limits = limits
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._records = self._bytes = 0
        self._fatal: str | None = None
        self._logged: dict[int, float] = {}

    async def take(self, records: Sequence[Record]) -> Sequence[Untaken | None]:
        """Produce records and wait until all are acknowledged, at most the limits' `answer_s`.

        Returns:
            For each, None if it is in the topic, otherwise why that is not known.
        """
        sizes = [_size(record) for record in records]
        if not self._admitted(len(sizes), sum(sizes)):
            return [Untaken.FULL] * len(sizes)
        waiting = Waiting(len(sizes))
        for number, (record, size) in enumerate(zip(records, sizes, strict=True)):
            posted = Posted(record, size, waiting, number)
            self._produce(self._producer, record, partial(self._reported, posted))
        return await waiting.answer(self._limits.answer_s)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve delivery reports while the body runs; then wait for what is left."""
        try:
            with in_background(self._serve, "forwarding", self._stopping):
                yield
        finally:
            end = time.monotonic() + self._limits.answer_s
            # Together first: what is refused then is sent alone.
            left = sum(
                self._polled(one, one.flush, max(0.0, end - time.monotonic()))
                for one in self._all()
            )
            if left:
                log.warning(
                    "%d posted claims, none answered with a score, were not acknowledged", left
                )

    def broken(self) -> str | None:
        """A health check: the producer can be used."""
        return self._fatal

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        left = sum(map(len, self._all()))
        what = f"it is unknown whether the last {left} posted claims are in {self._topic}"
        return what if left else None

    def _admitted(self, records: int, size: int) -> bool:
        with self._lock:
            limits = self._limits
            if self._records + records > limits.records or self._bytes + size > limits.size:
                return False
            self._records += records
            self._bytes += size
            return True

    def _all(self) -> Iterator[Producer]:
        yield self._producer
        if self._alone is not None:
            yield self._alone

    def _produce(self, producer: Producer, record: Record, report: "partial[None]") -> None:
        try:
            producer.produce(
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

    def _reported(self, posted: Posted, error: KafkaError | None, _: Message | None) -> None:
        """A record that was sent together with others was delivered, or not; in any thread."""
        if error is not None and error.code() in TOO_LARGE:
            self._again(posted)
        else:
            self._done(posted, error)

    def _again(self, posted: Posted) -> None:
        with self._lock:
            if self._alone is None:
                self._alone = self._make_alone()
        self._produce(self._alone, posted.record, partial(self._done, posted))

    def _done(self, posted: Posted, error: KafkaError | None, _: Message | None = None) -> None:
        """A record was delivered, or was not; called in any thread."""
        with self._lock:
            self._records -= 1
            self._bytes -= posted.size
        posted.waiting.report(posted.number, None if error is None else self._why(error))

    def _why(self, error: KafkaError) -> Untaken:
        if error.code() == KafkaError._QUEUE_FULL:
            return Untaken.FULL
        self._log(error)
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._failed(error)
        return _UNTAKEN.get(error.code(), Untaken.REFUSED)

    def _log(self, error: KafkaError) -> None:
        now = self._clock()
        with self._lock:
            if now - self._logged.get(error.code(), -math.inf) < QUIET_S:
                return
            self._logged[error.code()] = now
        log.warning("Kafka did not acknowledge posted claims for %s: %s", self._topic, error.str())

    def _failed(self, error: KafkaError) -> None:
        if self._fatal is None:
            self._fatal = f"the producer has failed permanently: {error.str()}"
            log.error("%s; restart the process", self._fatal)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            for number, one in enumerate(self._all()):
                self._polled(one, one.poll, 0.0 if number else TICK_S)

    def _polled(self, producer: Producer, poll: Callable[[float], int], seconds: float) -> int:
        """Serve delivery reports; a client that fails permanently says so here, once."""
        try:
            return poll(seconds)
        except KafkaException as error:
            # The reports of what was in flight are still to come.
            self._failed(kafka_error(error))
            return len(producer)


def _size(record: Record) -> int:
    """Bytes that a client sends: an array's headers are repeated for each of its claims."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers or ())
    return len(record.key or b"") + len(record.value or b"") + headers
