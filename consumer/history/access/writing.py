"""Writes to the log in a command's own transactions."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import kafka_error, serve, stopped
from consumer.kafka.producing import make_producer
from consumer.kafka.reading import Patience
from consumer.kafka.topics import without_coordinator
from consumer.settings.settings import Delivery, Settings

TIMEOUT_S: Final = 30.0
TICK_S: Final = 0.1
BY_KEY: Final = -1
"""Instead of a partition: the one that the key belongs to."""


class LogChange(NamedTuple):
    """A record to write."""

    partition: int
    key: bytes | None
    value: bytes | None


class LogWriter:
    """Writes to MEMORY_TOPIC; what an earlier run left open is ended first.

    Args:
        settings: topic and connection.
        purpose: of the command; the transactional id is ``CONSUMER_GROUP/PURPOSE/INSTANCE_ID``,
            which no worker can have.

    Raises:
        KafkaStoppedError: Kafka does not answer, or refuses.
    """

    def __init__(self, settings: Settings, purpose: str) -> None:
        self._topic = settings.memory_topic
        own = msgspec.structs.replace(settings, delivery=Delivery.EXACTLY_ONCE)
        self._producer = make_producer(
            own, f"{settings.consumer_group}/{purpose}/{settings.instance_id}"
        )
        self._failed: KafkaError | None = None
        self._in_flight = False
        self.written: dict[int, int] = {}
        """Next offset after what was written, by partition."""
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            serve(self._producer)
            why = stopped(error, "starting the transactional producer")
            raise KafkaStoppedError(f"{why}{without_coordinator(settings)}") from error

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        if not self._in_flight:
            return None
        return f"it is unknown whether the last changes are in {self._topic}; run it again"

    def write(self, changes: Iterable[LogChange]) -> None:
        """Write records in one transaction.

        Raises:
            KafkaStoppedError: none is written; or it is unknown, and the message says so.
        """
        try:
            self._producer.begin_transaction()
            for change in changes:
                self._produce(change)
            self._deliver()
        except (KafkaException, KafkaStoppedError) as error:
            self._abort()
            if isinstance(error, KafkaException):
                raise stopped(error, f"writing to {self._topic}") from error
            raise
        self._in_flight = True
        try:
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            raise KafkaStoppedError(
                f"{stopped(error, f'committing to {self._topic}')}; {self.unknown()}"
            ) from error
        self._in_flight = False

    def _produce(self, change: LogChange) -> None:
        patience = Patience(f"writing to {self._topic}", TIMEOUT_S)
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    change.value,
                    change.key,
                    partition=change.partition,
                    on_delivery=self._note,
                )
                return
            except BufferError:
                self._producer.poll(TICK_S)
                patience.check()

    def _deliver(self) -> None:
        left = self._producer.flush(TIMEOUT_S)
        if self._failed is not None:
            raise KafkaException(self._failed)
        if left:
            raise KafkaStoppedError(
                f"{self._topic} did not take {left} records within {TIMEOUT_S:.0f} s"
            )

    def _abort(self) -> None:
        """End the transaction, if that is possible; otherwise the next run or the broker does."""
        self._producer.purge()
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException as error:
            if kafka_error(error).code() == KafkaError._STATE:
                return  # none was begun
            raise stopped(error, f"aborting in {self._topic}") from error

    def _note(self, error: KafkaError | None, message: Message) -> None:
        self._failed = self._failed or error
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self.written[partition] = max(self.written.get(partition, 0), offset + 1)
