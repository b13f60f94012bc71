"""Reads the log of what is remembered, committed records only, between two of its states."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition

from consumer.batch.records import coordinates
from consumer.kafka.client import make_onlooker, stopped
from consumer.kafka.outputs import Ends
from consumer.kafka.portions import take
from consumer.kafka.reading import Patience, records
from consumer.kafka.topics import admin
from consumer.memory.log import NoFactError, check_key, log_fact
from consumer.memory.tail import READING, stable_ends, without_ends
from consumer.memory.view import LogFact
from consumer.settings.settings import Settings
from consumer.stop import Stop
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

AT_ONCE: Final = 5_000
WAIT_S: Final = 0.2
LOOK_S: Final = 0.2

LogState = Mapping[int, int]
"""Next offset by partition: a state of the log."""
Tell = Callable[[int, int], object]
"""Called with how many records have been read, and about how many there are."""
BEGINNING: Final[LogState] = {}


class StoppedError(Exception):
    """A signal asked to stop before the end."""


class LogRecord(NamedTuple):
    """A log record, and where it is."""

    partition: int
    key: bytes
    told: LogFact
    written_ms: int
    """When it was produced, in milliseconds since 1970."""


class CommittedReader:
    """Reads committed records of a topic between two of its states; used from one thread.

    Args:
        settings: connection.
        topic: its name.
        stop: ends a read.
        reset: where to continue if a record is no longer there: ``error``, or ``earliest``.
    """

    def __init__(self, settings: Settings, topic: str, stop: Stop, reset: str) -> None:
        self._settings = settings
        self._topic = topic
        self._stop = stop
        self._reset = reset

    def ends(self) -> dict[int, int]:
        """The current state: up to where every transaction has ended.

        Raises:
            KafkaStoppedError: Kafka does not answer.
        """
        return stable_ends(self._settings, self._topic)

    def written(self) -> dict[int, int]:
        """The end of what is written, by partition, open transactions included.

        Raises:
            KafkaStoppedError: Kafka does not answer.
        """
        try:
            found = Ends(admin(self._settings), [self._topic]).written()
        except KafkaException as error:
            raise stopped(error, f"asking for the end of {self._topic}") from error
        return {partition: end for (_, partition), end in found.items()}

    def read(
        self, start: LogState, end: LogState, tell: Tell = lambda _, __: None
    ) -> Iterator[list[Message]]:
        """The records from one state up to another, in order within each partition.

        Raises:
            KafkaStoppedError: the topic cannot be read.
            StoppedError: a signal asked to stop.
        """
        at = {partition: start.get(partition, 0) for partition in end}
        first = sum(at.values())
        everything = sum(end.values()) - first
        if all(at[partition] >= end[partition] for partition in end):
            return
        own = f"{self._settings.consumer_group}-memory"
        reading = {**READING, "group.id": own, "auto.offset.reset": self._reset}
        consumer = make_onlooker(self._settings, "read_committed", reading)
        patience = Patience(f"reading {self._topic}")
        try:
            consumer.assign(
                [
                    TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
                    for partition, offset in at.items()
                    if offset < end[partition]
                ]
            )
            while any(at[partition] < end[partition] for partition in end):
                if self._stop.asked:
                    raise StoppedError
                messages = take(consumer, AT_ONCE, WAIT_S)
                found = self._found(messages, at, end)
                if messages:
                    tell(min(everything, sum(at.values()) - first), everything)
                    patience.progressed()
                patience.check()
                if found:
                    yield found
                    patience.progressed()
        except KafkaException as error:
            raise stopped(error, f"reading {self._topic}") from error
        finally:
            consumer.close()

    def _found(self, messages: list[Message], at: dict[int, int], end: LogState) -> list[Message]:
        """The records before the end; `at` is moved past all messages."""
        others, ends = without_ends(messages)
        for partition, offset in ends.items():
            at[partition] = max(at[partition], offset)
        found = []
        for message in records(others, self._topic):
            place = coordinates(message)
            at[place.partition] = max(at[place.partition], place.offset + 1)
            if place.offset < end[place.partition]:
                found.append(message)
        return found


class LogScan:
    """Reads MEMORY_TOPIC; used from one thread.

    Args:
        settings: topic and connection.
        stop: ends a read.
        fingerprint: of the key that hashes in the log must be made with; None for a read that
            compares no hash with one made here.
    """

    def __init__(self, settings: Settings, stop: Stop, fingerprint: str | None = None) -> None:
        self._topic = settings.memory_topic
        self._stop = stop
        self._reader = CommittedReader(settings, self._topic, stop, "error")
        self._fingerprint = fingerprint

    def ends(self) -> dict[int, int]:
        """See `CommittedReader.ends`."""
        return self._reader.ends()

    def settled(self) -> LogState:
        """The state in which everything written so far is committed or aborted; waits for it.

        Raises:
            KafkaStoppedError: a transaction stays open for long, or Kafka does not answer.
            StoppedError: a signal asked to stop.
        """
        return self.reached(self._reader.written())

    def reached(self, written: LogState) -> LogState:
        """A state at or after some offsets; waits until no open transaction holds it back.

        Raises:
            KafkaStoppedError, StoppedError: see `settled`.
        """
        patience, told = Patience(f"waiting for open transactions in {self._topic} to end"), False
        while True:
            now = self.ends()
            if all(now.get(partition, 0) >= offset for partition, offset in written.items()):
                return now
            if not told:
                log.info("waiting for open transactions in %s to end", self._topic)
                told = True
            if self._stop.asked:
                raise StoppedError
            patience.check()
            time.sleep(LOOK_S)

    def read(
        self, start: LogState, end: LogState, tell: Tell = lambda _, __: None
    ) -> Generator[list[LogRecord], None, None]:
        """The facts between two states; what this release does not write is logged and left out.

        Raises:
            KafkaStoppedError, StoppedError: see `CommittedReader.read`.
            SettingsError: its hashes were made with a key other than MEMORY_KEY_FILE.
        """
        for messages in self._reader.read(start, end, tell):
            yield [found for found in map(self._record, messages) if found is not None]

    def _record(self, message: Message) -> LogRecord | None:
        place, key = coordinates(message), message.key() or b""
        try:
            told = log_fact(key, message.value())
        except (*UNREADABLE, NoFactError) as error:
            where = place.topic, place.partition, place.offset
            log.warning("unreadable: %s[%d]@%d: %s", *where, error)
            return None
        if self._fingerprint is not None:
            check_key(told, self._fingerprint, message)
        return LogRecord(place.partition, key, told, message.timestamp()[1])
