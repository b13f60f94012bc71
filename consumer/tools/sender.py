"""Sends records to the claims topic at a rate, and tracks what Kafka has acknowledged.

Kafka refuses a batch that does not fit the topic as a whole. So the rows of such a batch are sent
once more, each of them alone, and so is everything after them: what is refused then does not fit.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import kafka_error, last_reason, stopped
from consumer.kafka.producing import MakeProducer, make_producer
from consumer.kafka.reading import Patience
from consumer.publishing.alone import sent_alone
from consumer.publishing.reports import TOO_LARGE, OnDelivery
from consumer.settings.settings import Delivery, Settings

TICK_S: Final = 0.1
BLOCK: Final = 5_000
FLUSH_S: Final = 30.0

ClaimRecord = tuple[bytes, bytes]
"""Key and value."""
log = logging.getLogger(__name__)


class Sender:
    """Produces rows and remembers the first one that Kafka refused.

    Attributes:
        acknowledged: number of rows known to be in the topic.
        topic: where they are sent.
    """

    def __init__(
        self,
        settings: Settings,
        make: MakeProducer = make_producer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing yet.

        Args:
            settings: connection and topic.
            make: makes the producer.
            clock: in seconds; limits how long acknowledgements are waited for.
        """
        self._clock = clock
        self.acknowledged = 0
        self.topic = settings.claims_topic
        self._failed: KafkaStoppedError | None = None
        self._settings = msgspec.structs.replace(settings, delivery=Delivery.AT_LEAST_ONCE)
        self._make = make
        self._producer = make(self._settings)
        self._alone = False
        self._again: list[tuple[int, ClaimRecord]] = []
        """Rows of refused batches, in their order, with their numbers."""
        self._sent = 0

    def send(self, row: ClaimRecord) -> None:
        """Queue one row, waiting for room.

        Raises:
            KafkaStoppedError: there is none for `FLUSH_S`.
        """
        self._sent += 1
        self._send(self._sent, row)

    def _send(self, number: int, row: ClaimRecord) -> None:
        patience = Patience(f"writing to {self.topic}", FLUSH_S)
        report = self._report_of(number, row)
        while True:
            try:
                self._producer.produce(self.topic, row[1], row[0], on_delivery=report)
                return
            except BufferError:
                self._producer.poll(TICK_S)
                patience.check()
            except KafkaException as error:  # the client refuses what is beyond its own limit
                report(kafka_error(error), None)
                return

    def check(self) -> None:
        """Serve delivery reports, and send again what was refused together with other rows.

        Raises:
            KafkaStoppedError: a row was refused.
        """
        self._producer.poll(0)
        if self._again and not self._alone:
            self._send_alone()
        if self._failed is not None:
            raise self._failed

    def _send_alone(self) -> None:
        self._flush()
        log.info("%s does not take batches: its claims are sent one by one", self.topic)
        self._alone = True
        self._producer = self._make(sent_alone(self._settings))
        for number, row in self._again:
            self._send(number, row)

    def finish(self) -> None:
        """Wait until every row is acknowledged.

        Raises:
            KafkaStoppedError: one was not.
        """
        for _ in ("together", "alone"):
            self._flush()
            self.check()

    def _flush(self) -> None:
        """Wait for all reports, as long as they come in."""
        left, end = len(self._producer), self._clock() + FLUSH_S
        while left and self._failed is None:
            before, left = left, self._producer.flush(TICK_S)
            if left < before:
                end = self._clock() + FLUSH_S
            elif self._clock() > end:
                raise KafkaStoppedError(
                    f"{left:,} claims were not acknowledged, and no other was for {FLUSH_S:.0f} s"
                    f"{last_reason()}"
                )

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        left = len(self._producer)
        return f"it is unknown whether the last {left} claims are in {self.topic}" if left else None

    def _report_of(self, number: int, row: ClaimRecord) -> OnDelivery:
        alone = self._alone

        def note(error: KafkaError | None, _: Message | None) -> None:
            if error is None:
                self.acknowledged += 1
            elif error.code() not in TOO_LARGE:
                self._failed = self._failed or stopped(
                    KafkaException(error), f"writing to {self.topic}"
                )
            elif alone:
                self._failed = self._failed or KafkaStoppedError(
                    f"claim {number:,} of those sent has {len(row[1]):,} bytes, more than "
                    f"{self.topic} accepts: raise its max.message.bytes, or KAFKA_MESSAGE_MAX_BYTES"
                )
            else:
                self._again.append((number, row))

        return note


def paced(
    sender: Sender,
    source: Iterator[ClaimRecord],
    rate: float,
    ended: threading.Event,
    done: Callable[[], object] = lambda: None,
) -> int:
    """Send at a rate until the source or the event ends it; returns the number of rows.

    Args:
        sender: left for the caller to finish.
        source: of the rows.
        rate: rows per second; 0 for as fast as Kafka accepts them.
        ended: stops it before the next block.
        done: called after each block.

    Raises:
        KafkaStoppedError: a record was refused.
    """
    sent, start = 0, time.monotonic()
    while not ended.is_set():
        behind = rate * (time.monotonic() - start) + 1 - sent if rate else BLOCK
        due = int(min(behind, BLOCK))
        batch = list(itertools.islice(source, due))
        for row in batch:
            sender.send(row)
        sender.check()
        sent += len(batch)
        done()
        if len(batch) < due:
            break
        if due < BLOCK:
            ended.wait(TICK_S)
    return sent
