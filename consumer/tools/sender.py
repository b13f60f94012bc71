"""Sends records to the claims topic at a rate, and tracks what Kafka has acknowledged."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import last_reason, stopped
from consumer.kafka.producing import MakeProducer, make_producer
from consumer.kafka.reading import Patience
from consumer.settings.settings import Delivery, Settings

TICK_S: Final = 0.1
BLOCK: Final = 5_000
FLUSH_S: Final = 30.0

ClaimRecord = tuple[bytes, bytes]
"""Key and value."""


class Sender:
    """Produces rows and remembers the first one that Kafka refused.

    Attributes:
        acknowledged: number of rows known to be in the topic.
        topic: where they are sent.
    """

    def __init__(self, settings: Settings, make: MakeProducer = make_producer) -> None:
        """Send nothing yet.

        Args:
            settings: connection and topic.
            make: makes the producer.
        """
        self.acknowledged = 0
        self.topic = settings.claims_topic
        self._failed: KafkaError | None = None
        plain = msgspec.structs.replace(settings, delivery=Delivery.AT_LEAST_ONCE)
        self._producer = make(plain)

    def send(self, row: ClaimRecord) -> None:
        """Queue one row, waiting for room.

        Raises:
            KafkaStoppedError: there is none for `FLUSH_S`.
        """
        patience = Patience(f"writing to {self.topic}", FLUSH_S)
        while True:
            try:
                self._producer.produce(self.topic, row[1], row[0], on_delivery=self._note)
                return
            except BufferError:
                self._producer.poll(TICK_S)
                patience.check()

    def check(self) -> None:
        """Serve delivery reports.

        Raises:
            KafkaStoppedError: a row was refused.
        """
        self._producer.poll(0)
        if self._failed is not None:
            raise stopped(KafkaException(self._failed), f"writing to {self.topic}")

    def finish(self) -> None:
        """Wait until every row is acknowledged.

        Raises:
            KafkaStoppedError: one was not.
        """
        left = self._producer.flush(FLUSH_S)
        self.check()
        if left:
            raise KafkaStoppedError(
                f"{left} claims were not acknowledged within {FLUSH_S:.0f} s{last_reason()}"
            )

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        left = len(self._producer)
        return f"it is unknown whether the last {left} claims are in {self.topic}" if left else None

    def _note(self, error: KafkaError | None, _: Message) -> None:
        self._failed = self._failed or error
        self.acknowledged += error is None


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
