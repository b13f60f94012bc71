"""Fills the database, as a member of a consumer group that shares the partitions of the log.

Positions are in the database, written in the same transactions as the facts. The group only says
who reads what; it has no offsets.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from msgspec import structs

from consumer.batch.records import coordinates
from consumer.errors import KafkaStoppedError
from consumer.kafka.client import consumer_config, make_consumer
from consumer.kafka.portions import take
from consumer.kafka.reading import records
from consumer.kafka.topics import KeptLog, admin, require_log
from consumer.memory.log import NoFactError, check_key, log_fact
from consumer.memory.postgres.schema import FilledFrom
from consumer.memory.postgres.store import OvertakenError, PostgresStore
from consumer.memory.tail import OUT_OF_RANGE, READING, Behind, LogCounts, stable_ends, without_ends
from consumer.memory.view import LogFact
from consumer.settings.settings import Settings
from model.history.plan import Bounds, EntityKind
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

AT_ONCE: Final = 5_000
WAIT_S: Final = 0.2
COMPLETE_S: Final = 10.0
"""How often to write down the moment up to which the database is complete. This also reveals that
it was emptied, even if no records arrive."""
LOOK_EVERY_S: Final = 10.0
"""How often to check whether the topic is still the same."""
TIMEOUT_S: Final = 30.0
DAY_S: Final = 86_400
_PARTITIONS: Final = 2**31
_OFFSETS: Final = 2**63


class ApplierLoop(Protocol):
    """What is reported about the loop; see `consumer.telemetry.health.Loop`."""

    assigned: int
    lag: int

    def turned(self) -> None: ...  # noqa: D102
    def progressed(self) -> None: ...  # noqa: D102


def source_of(
    settings: Settings, kept: KeptLog, kinds: Sequence[EntityKind], bounds: Bounds, own: str
) -> FilledFrom:
    """What a database is filled from with these settings.

    Args:
        settings: topic and connection.
        kept: what is known about the topic.
        kinds: of entities, in the order of the plan.
        bounds: how much is looked at.
        own: fingerprint of the key of the hashes.

    Raises:
        KafkaException: Kafka does not answer.
    """
    about = admin(settings).list_topics(settings.memory_topic, timeout=TIMEOUT_S)
    return FilledFrom(
        cluster=str(about.cluster_id),
        topic=settings.memory_topic,
        topic_id=kept.topic_id,
        fingerprint=own,
        bounds=bounds,
        kinds=tuple(kinds),
    )


class Applier:
    """Takes what is committed in MEMORY_TOPIC into the database; used from one thread.

    Args:
        settings: topic and connection.
        store: the database.
        kept: what was known about the topic when the database was opened.
        fingerprint: of the key that hashes in the log must be made with.
        counts: where counts go.
        loop: told what it does.
    """

    def __init__(
        self,
        settings: Settings,
        store: PostgresStore,
        kept: KeptLog,
        fingerprint: str,
        counts: LogCounts,
        loop: ApplierLoop,
    ) -> None:
        self._settings = settings
        self._topic = settings.memory_topic
        self._store = store
        self._kept = kept
        self._fingerprint = fingerprint
        self._counts = counts
        self._loop = loop
        self._positions: dict[int, int] = {}
        """Next offsets of the partitions that are read here."""
        self._behind = Behind()
        self._noted: tuple[float, Mapping[int, int]] | None = None
        """A moment, in seconds since 1970, and where the log ended then."""
        now = time.monotonic()
        self._complete_due, self._look_due = now, now + LOOK_EVERY_S

    @property
    def behind_ms(self) -> int:
        """How far the partitions that are read here are behind the log; see `Behind`."""
        return self._behind.ms

    def run(self, going_on: Callable[[], bool], turned: Callable[[], object]) -> None:
        """Fill the database until it is stopped.

        Args:
            going_on: False once it should stop.
            turned: called on each turn.

        Raises:
            KafkaStoppedError: the log cannot be read, or was recreated.
            StoreStoppedError: the database does not answer, or is filled from another topic.
            SettingsError: a hash was made with another key, or the database is for something else.
        """
        away_s = self._store.incomplete_s()
        if away_s > self._kept.tombstones_s:
            log.warning(
                "MEMORY_STORE=%s last had everything %.0f days ago: the log may not tell any more "
                "what was forgotten since, so it is read again from its beginning",
                self._store.where,
                away_s / DAY_S,
            )
            self._store.empty()
        consumer = make_consumer(self._config())
        consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while going_on():
                self._turn(consumer)
                turned()
        finally:
            consumer.close()

    def _config(self) -> dict[str, Any]:
        own = structs.replace(
            self._settings, consumer_group=f"{self._settings.consumer_group}-memory"
        )
        return {
            **consumer_config(own),
            **READING,
            "isolation.level": "read_committed",
            "statistics.interval.ms": 0,
        }

    def _turn(self, consumer: Consumer) -> None:
        self._loop.turned()
        messages = take(consumer, AT_ONCE, WAIT_S)
        facts, after = self._read(messages)
        now = time.monotonic()
        if now > self._look_due:
            self._look_due = now + LOOK_EVERY_S
            if require_log(self._settings).topic_id != self._kept.topic_id:
                raise KafkaStoppedError(
                    f"{self._topic} was deleted and made again: start again, and the database is "
                    "emptied and filled from it"
                )
        if after:
            self._apply(consumer, facts, after)
        self._behind.look(self._positions, lambda: self._ends(consumer))
        self._note_complete(consumer)

    def _note_complete(self, consumer: Consumer) -> None:
        """Write down the latest moment up to which everything in the log is in the database."""
        if self._noted is None:
            if not self._positions or time.monotonic() < self._complete_due:
                return
            self._complete_due = time.monotonic() + COMPLETE_S
            self._noted = time.time(), stable_ends(self._settings, self._topic)
        at_s, ends = self._noted
        if all(offset >= ends.get(p, 0) for p, offset in self._positions.items()):
            self._noted = None
            try:
                self._store.complete(at_s)
            except OvertakenError:
                self._read_again(consumer)

    def _apply(
        self, consumer: Consumer, facts: Sequence[LogFact], after: Mapping[int, int]
    ) -> None:
        try:
            self._store.apply(facts, after)
        except OvertakenError:
            self._read_again(consumer)
        else:
            self._positions.update(after)
            self._counts.applied(len(facts))
            self._loop.progressed()

    def _read_again(self, consumer: Consumer) -> None:
        log.warning(
            "another process has applied what was read here, or emptied the database: reading on "
            "from where that is"
        )
        self._positions = self._store.reload(self._positions)
        self._noted = None
        for place in self._places(self._positions):
            consumer.seek(place)

    def _read(self, messages: Sequence[Message]) -> tuple[list[LogFact], dict[int, int]]:
        """The facts in what was read, and the positions that they change."""
        others, ends = without_ends(messages)
        for message in others:
            error = message.error()
            if error is not None and error.code() in OUT_OF_RANGE:
                where = f"record {message.offset()} of partition {message.partition()}"
                self._store.empty()
                raise KafkaStoppedError(
                    f"{self._topic} has no {where} any more, so records were deleted that the "
                    "database has not seen: it was emptied. Start again, and the topic is read "
                    "from its beginning"
                )
        after: dict[int, int] = {}
        facts: list[LogFact] = []
        for message in records(others, self._topic):
            place = coordinates(message)
            # Read before the partition went to another process, or before a seek in it.
            if place.offset < self._positions.get(place.partition, _OFFSETS):
                continue
            after[place.partition] = place.offset + 1
            try:
                found = log_fact(message.key(), message.value())
                _check_place(found)
            except (*UNREADABLE, NoFactError) as error:
                self._counts.unreadable()
                log.warning(
                    "unreadable: %s[%d]@%d: %s", self._topic, place.partition, place.offset, error
                )
            else:
                check_key(found, self._fingerprint, message)
                facts.append(found)
        for partition, offset in ends.items():
            if offset > max(self._positions.get(partition, _OFFSETS), after.get(partition, 0)):
                after[partition] = offset
        return facts, after

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Continue partitions from their positions in the database."""
        found = self._store.reload(place.partition for place in partitions)
        self._positions.update(found)
        self._noted = None  # it may cover fewer partitions
        self._loop.assigned = len(self._positions)
        if self._settings.group_protocol == "consumer":
            consumer.incremental_assign(self._places(found))
        else:
            consumer.assign(self._places(found))
        log.info("filling the database from %s: partitions %s", self._topic, sorted(found))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Leave partitions to others; what was read of them but not applied is dropped."""
        for place in partitions:
            self._positions.pop(place.partition, None)
        self._store.leave(place.partition for place in partitions)
        self._loop.assigned = len(self._positions)
        if self._settings.group_protocol == "consumer":
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _places(self, positions: Mapping[int, int]) -> list[TopicPartition]:
        return [
            TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
            for partition, offset in sorted(positions.items())
        ]

    def _ends(self, consumer: Consumer) -> dict[int, int]:
        """The end of each partition as the client last heard it, open transactions included."""
        found = {}
        for partition in self._positions:
            place = TopicPartition(self._topic, partition)
            marks = consumer.get_watermark_offsets(place, cached=True)
            if marks is not None and marks[1] >= 0:
                found[partition] = marks[1]
        return found


def _check_place(found: LogFact) -> None:
    """Check that the database has room for the coordinates of a fact's source.

    Raises:
        NoFactError: it has none; no record can be there.
    """
    key = found.key
    if not (0 <= key.partition < _PARTITIONS and 0 <= key.offset < _OFFSETS):
        raise NoFactError("its key names a place where no record can stand")
