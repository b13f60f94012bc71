"""Follows the log: what is committed there, and nothing else, goes into the local view."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from consumer.batch.records import coordinates
from consumer.errors import KafkaStoppedError
from consumer.kafka.client import (
    kafka_error,
    make_onlooker,
    report_client_error,
    stopped,
)
from consumer.kafka.outputs import Ends
from consumer.kafka.portions import take
from consumer.kafka.reading import Patience, records
from consumer.kafka.topics import admin
from consumer.memory.log import NoFactError, check_key, log_fact
from consumer.memory.view import LogFact, View
from consumer.settings.settings import Settings
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

AT_ONCE: Final = 5_000
"""Records read and applied at a time."""
LOADING_WAIT_S: Final = 0.2
OUT_OF_RANGE: Final = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})
LOOK_EVERY_S: Final = 10.0
"""How often to look for new partitions."""
COMPLETE_EVERY_S: Final = 600.0
"""How often to note the moment up to which the view is complete: this waits for the disk."""
TIMEOUT_S: Final = 30.0
READING: Final[dict[str, Any]] = {
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 32_768,
    "error_cb": report_client_error,
}


class LogCounts(Protocol):
    """Where counts go; see `consumer.telemetry.memory_metrics.MemoryMetrics`."""

    def applied(self, facts: int) -> None: ...  # noqa: D102
    def unreadable(self) -> None: ...  # noqa: D102


class Behind:
    """How far a view is behind the log, in time.

    A view is behind by the age of the latest moment up to which it is complete. So the end of the
    log is noted and, once the view has reached it, the next one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock, which counts seconds."""
        self._clock = clock
        self._reached_s = self._noted_s = clock()
        self._noted: Mapping[int, int] = {}

    def look(self, positions: Mapping[int, int], ends: Callable[[], Mapping[int, int]]) -> None:
        """Compare with the noted end, and note the next one if it has been reached.

        Args:
            positions: next offset by partition.
            ends: the current end of each partition.
        """
        if all(positions.get(partition, 0) >= end for partition, end in self._noted.items()):
            self._reached_s = self._noted_s
            self._noted_s, self._noted = self._clock(), ends()
            if all(positions.get(p, 0) >= end for p, end in self._noted.items()):
                self._reached_s = self._noted_s

    @property
    def ms(self) -> int:
        """Milliseconds since the moment up to which the view is complete."""
        return max(0, round(1_000 * (self._clock() - self._reached_s)))


class Tail:
    """Reads committed records of MEMORY_TOPIC from where the view ends; used from one thread."""

    def __init__(
        self,
        settings: Settings,
        view: View,
        fingerprint: str,
        topic_id: str,
        counts: LogCounts,
        returned: Callable[[Iterable[bytes]], object],
    ) -> None:
        """Prepare; nothing is connected before `load`.

        Args:
            settings: topic and connection.
            view: takes in what is read.
            fingerprint: of the key that hashes in the log must be made with.
            topic_id: of the topic that the view was read from; see `consumer.kafka.topics.KeptLog`.
            counts: where counts go.
            returned: called with the keys of records that are now in the view.
        """
        self._settings = settings
        self._topic = settings.memory_topic
        self._view = view
        self._fingerprint = fingerprint
        self._topic_id = topic_id
        self._admin = admin(settings)
        self._asked: Future[Any] | None = None
        self._counts = counts
        self._returned = returned
        self._positions = view.positions()
        self._assigned: set[int] = set()
        self._due = 0.0
        self._complete_due = math.inf
        self._behind = Behind()
        self._consumer: Consumer | None = None

    def load(self, going_on: Callable[[], bool], progress: Callable[[int, int], object]) -> bool:
        """Read up to the current end of the log.

        Args:
            going_on: False once it should stop.
            progress: called with how many records have been read, and about how many there are.

        Returns:
            False if it was stopped before the end.

        Raises:
            KafkaStoppedError: the log cannot be read.
            SettingsError: its hashes were made with a key other than MEMORY_KEY_FILE.
        """
        began_s = time.time()
        self._consumer = consumer = make_onlooker(self._settings, "read_committed", READING)
        ends = stable_ends(self._settings, self._topic)
        if any(offset > ends.get(p, 0) for p, offset in self._positions.items()):
            self._begin_again("it is ahead of the log, which lost records or was made again")
        self._assign(consumer, ends)
        started = sum(self._positions.values())
        all_of_it = sum(ends.values()) - started
        patience = Patience(f"reading {self._topic}")
        while not self._has_reached(ends):
            if not going_on():
                return False
            if self.step(LOADING_WAIT_S):
                patience.progressed()
                progress(sum(self._positions.values()) - started, all_of_it)
            patience.check()
        self._behind.look(self._positions, self._ends)
        self._complete(began_s)
        return True

    def _complete(self, at_s: float) -> None:
        self._view.complete(at_s)
        self._complete_due = time.monotonic() + COMPLETE_EVERY_S

    def _begin_again(self, why: str) -> None:
        log.warning("what is stored of %s is read again from the beginning: %s", self._topic, why)
        self._view.empty()
        self._positions = {}

    def _has_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self._positions.get(partition, 0) >= end for partition, end in ends.items())

    def step(self, wait_s: float = 0.0) -> int:
        """Take in new records; returns how many.

        Args:
            wait_s: how long to wait for the first ones.

        Raises:
            KafkaStoppedError: the log cannot be read.
            SettingsError: a hash was made with another key.
        """
        consumer = self._consumer
        assert consumer is not None
        if time.monotonic() > self._due:
            self._due = time.monotonic() + LOOK_EVERY_S
            self._ask_for_topic()
        self._look(consumer)
        found = take(consumer, AT_ONCE, wait_s)
        if messages := self._split(found):
            self._apply(messages)
        self._behind.look(self._positions, self._ends)
        if time.monotonic() > self._complete_due:
            self._complete(time.time() - self.behind_ms / 1_000)
        return len(found)

    @property
    def behind_ms(self) -> int:
        """How far the view is behind the log; see `Behind`."""
        return self._behind.ms

    def _split(self, found: Sequence[Message]) -> list[Message]:
        """The records; partition ends move positions past what is not a record."""
        messages, ends = without_ends(found)
        for partition, offset in ends.items():
            self._positions[partition] = max(self._positions.get(partition, 0), offset)
        for message in messages:
            error = message.error()
            if error is not None and error.code() in OUT_OF_RANGE:
                where = f"record {message.offset()} of partition {message.partition()}"
                self._begin_again(f"it has no {where} any more")
                raise KafkaStoppedError(
                    f"{self._topic} has no {where} any more, so records were deleted that no "
                    "store has seen: start again, and it is read from its beginning"
                )
        return records(messages, self._topic)

    def _apply(self, messages: Sequence[Message]) -> None:
        facts: list[LogFact] = []
        keys: list[bytes] = []
        ends: dict[int, int] = {}
        for message in messages:
            place, key = coordinates(message), message.key()
            try:
                found = log_fact(key, message.value())
            except (*UNREADABLE, NoFactError) as error:
                self._counts.unreadable()
                where = self._topic, place.partition, place.offset
                log.warning("unreadable: %s[%d]@%d: %s", *where, error)
            else:
                check_key(found, self._fingerprint, message)
                facts.append(found)
            if key is not None:
                keys.append(key)
            # Records of a partition come in order.
            ends[place.partition] = place.offset + 1
        for partition, end in ends.items():
            # The partition's end, past a commit marker, may have come with its last records.
            self._positions[partition] = max(self._positions.get(partition, 0), end)
        self._view.apply(facts, self._positions)
        self._returned(keys)
        self._counts.applied(len(facts))

    def _ask_for_topic(self) -> None:
        """Look up the topic in the background.

        Brokers that do not answer must not hold up scoring. The consumer is not used: its request
        would wait behind its fetches for as long as nothing arrives.
        """
        if self._asked is None:
            topics = TopicCollection([self._topic])
            (self._asked,) = self._admin.describe_topics(topics, request_timeout=TIMEOUT_S).values()

    def _look(self, consumer: Consumer) -> None:
        """Start reading new partitions once the answer is there.

        Raises:
            KafkaStoppedError: the topic does not exist, or was recreated, so offsets mean other
                records.
        """
        name, asked = self._topic, self._asked
        if asked is None or not asked.done():
            return
        self._asked = None
        try:
            found = asked.result()
        except KafkaException as error:
            if kafka_error(error).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaStoppedError(
                    f"{name} was deleted: create it with python -m consumer topics, and start again"
                ) from error
            log.warning("asking for the partitions of %s: %s", name, kafka_error(error).str())
            return
        if str(found.topic_id) != self._topic_id:
            raise KafkaStoppedError(
                f"{name} was deleted and made again: start again, and it is read from its beginning"
            )
        self._assign(consumer, {partition.id for partition in found.partitions})

    def _assign(self, consumer: Consumer, partitions: Collection[int]) -> None:
        """Read partitions; new ones start where the view ends."""
        new = sorted(set(partitions) - self._assigned)
        if new:
            consumer.incremental_assign(
                [
                    TopicPartition(self._topic, p, self._positions.get(p, OFFSET_BEGINNING))
                    for p in new
                ]
            )
            self._assigned.update(new)

    def _ends(self) -> dict[int, int]:
        """The end of each partition as the client last heard it, open transactions included."""
        consumer = self._consumer
        assert consumer is not None
        found = {}
        for partition in self._assigned:
            marks = consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), cached=True
            )
            if marks is not None and marks[1] >= 0:
                found[partition] = marks[1]
        return found

    def close(self) -> None:
        """Close the connection and the view."""
        if self._consumer is not None:
            self._consumer.close()
        self._view.close()


def stable_ends(settings: Settings, topic: str) -> dict[int, int]:
    """Where reading of committed records ends now; open transactions are not waited for.

    Raises:
        KafkaStoppedError: Kafka does not answer.
    """
    try:
        found = Ends(admin(settings), [topic]).stable()
    except KafkaException as error:
        raise stopped(error, f"asking for the end of {topic}") from error
    return {partition: end for (_, partition), end in found.items()}


def without_ends(found: Sequence[Message]) -> tuple[list[Message], dict[int, int]]:
    """The messages without partition-end events, and those ends; for a consumer with `READING`."""
    others: list[Message] = []
    ends: dict[int, int] = {}
    for message in found:
        error = message.error()
        if error is None or error.code() != KafkaError._PARTITION_EOF:
            others.append(message)
        elif (place := coordinates(message)).offset >= 0:
            ends[place.partition] = place.offset
    return others, ends
