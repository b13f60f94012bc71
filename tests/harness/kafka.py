"""The Kafka client as far as tests without a broker use it: one fake, in place of mocks.

`test_kafka` runs the same assertions against it and against a real broker. Nothing about
exactly-once is proved with it: it has one process, no rebalances and no faults but scripted ones.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from consumer.batch.decode import Headers
from schemas.dead_letter import Header

Place = tuple[str, int]
Report = Callable[[KafkaError | None, Any], object]
TIMESTAMP = (1, 1_700_000_000_000)


class FakeMessage:
    """A consumed record, or an error in its place."""

    def __init__(
        self,
        value: bytes | None,
        offset: int = 0,
        *,
        key: bytes | None = b"key",
        headers: Headers | None = None,
        topic: str | None = "claims",
        partition: int = 0,
        error: KafkaError | None = None,
    ) -> None:
        self._value = value
        self._key = key
        self._headers = headers
        self._place = topic, partition, offset
        self._error = error

    def __len__(self) -> int:
        return len(self._value or b"")

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str | None:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        return self._headers

    def set_headers(self, headers: list[Header]) -> None:
        self._headers = headers

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP


class Log:
    """The log of a partition. An offset may hold no record: a marker, or one that was aborted."""

    def __init__(
        self, low: int = 0, high: int = 0, record: Callable[[int], FakeMessage | None] | None = None
    ) -> None:
        self.low, self.high = low, high
        self._record = record or (lambda _: None)
        self._kept: dict[int, FakeMessage | None] = {}

    def append(self, message: FakeMessage | None) -> None:
        self._kept[self.high] = message
        self.high += 1

    def at(self, offset: int) -> FakeMessage | None:
        return self._kept[offset] if offset in self._kept else self._record(offset)


class FakeBroker:
    """Logs, and the offsets committed by groups."""

    def __init__(self) -> None:
        self.logs: dict[Place, Log] = {}
        self.committed: dict[tuple[str, Place], TopicPartition] = {}

    def log(self, topic: str, partition: int = 0) -> Log:
        return self.logs.setdefault((topic, partition), Log())

    def commit(self, group: str, offsets: Sequence[TopicPartition]) -> None:
        for place in offsets:
            self.committed[group, (place.topic, place.partition)] = place


def erroneous_state() -> KafkaException:
    return KafkaException(KafkaError(KafkaError._STATE))


class FakeConsumer:
    """A consumer; the test plays the coordinator, and calls back."""

    def __init__(self, broker: FakeBroker, group: str = "group") -> None:
        self.broker, self._group = broker, group
        self._starts: dict[Place, int] = {}
        self._next: dict[Place, int] = {}
        self._reached: dict[Place, int] = {}
        self.sought: list[int] = []
        self.asked: list[tuple[int, float]] = []
        """What `consume` was asked for: how many at most, and seconds."""
        self.generation = 3
        self.refuses: dict[str, KafkaError] = {}
        """Errors that methods raise, by name, until they are removed."""
        self.errors: list[KafkaError] = []
        """Errors that come in place of records, each once."""
        self.while_consuming: Callable[[], object] = lambda: None
        self.not_committed: list[Any] = []
        """Partitions with an error that `commit` answers with, too."""

    def _called(self, method: str) -> None:
        if error := self.refuses.get(method):
            raise KafkaException(error)

    @property
    def assigned_at(self) -> list[int]:
        """Where each partition was assigned, in order."""
        return [*self._starts.values()]

    def subscribe(self, *_: object, **__: object) -> None: ...

    def close(self) -> None:
        self.unassign()

    def assign(self, places: list[TopicPartition]) -> None:
        self.unassign()
        self.incremental_assign(places)

    def unassign(self) -> None:
        for known in (self._starts, self._next, self._reached):
            known.clear()

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for place in places:
            where = place.topic, place.partition
            self._starts[where] = place.offset
            self._next[where] = max(place.offset, self.broker.log(*where).low)

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for place in places:
            for known in (self._starts, self._next, self._reached):
                known.pop((place.topic, place.partition), None)

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*where) for where in self._starts]

    def seek(self, place: TopicPartition) -> None:
        self._called("seek")
        where = place.topic, place.partition
        if where not in self._next:
            raise erroneous_state()
        self._next[where] = place.offset
        self.sought.append(place.offset)

    def poll(self, _: float) -> FakeMessage | None:
        if self.errors:
            return FakeMessage(None, key=None, error=self.errors.pop(0))
        return next(self._records(), None)

    def consume(self, most: int, seconds: float) -> list[FakeMessage]:
        self.while_consuming()
        self.asked.append((most, seconds))
        return [message for _, message in zip(range(most), self._records(), strict=False)]

    def _records(self) -> Iterator[FakeMessage]:
        for where in [*self._next]:
            log = self.broker.log(*where)
            while self._next[where] < log.high:
                offset = self._next[where]
                self._next[where] = self._reached[where] = offset + 1
                if (message := log.at(offset)) is not None:
                    yield message

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(
                p.topic, p.partition, self._reached.get((p.topic, p.partition), OFFSET_INVALID)
            )
            for p in places
        ]

    def get_watermark_offsets(self, place: TopicPartition, **_: object) -> tuple[int, int]:
        log = self.broker.log(place.topic, place.partition)
        return log.low, log.high

    def committed(self, places: list[TopicPartition], timeout: float = 1.0) -> list[TopicPartition]:
        self._called("committed")
        return [
            self.broker.committed.get(
                (self._group, (p.topic, p.partition)), TopicPartition(p.topic, p.partition)
            )
            for p in places
        ]

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        self._called("commit")
        self.broker.commit(self._group, offsets)
        return [*offsets, *self.not_committed]

    def consumer_group_metadata(self) -> bytes:
        about = f"{self._group}\0member\0instance\0".encode()
        return b"CGMDv2:" + struct.pack("=i", self.generation) + about


def group_of(metadata: object) -> str:
    """The group in a consumer's metadata."""
    text = metadata if isinstance(metadata, bytes) else b""
    return text[11:].partition(b"\0")[0].decode()


class FakeProducer:
    """A producer, transactional or not. Records what it is asked for, in `calls`."""

    def __init__(
        self,
        broker: FakeBroker,
        *,
        transactional: bool = True,
        calls: list[str] | None = None,
        faults: dict[str, KafkaError] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Start without a transaction.

        Args:
            broker: where records go.
            transactional: whether it has a transactional id.
            calls: receives a line for each call.
            faults: errors that calls raise, by that line, each once.
            properties: what the test wants to know of its configuration.
        """
        self._broker = broker
        self._state = "new" if transactional else "plain"
        self.calls = [] if calls is None else calls
        self.faults = {} if faults is None else faults
        self.properties = dict(properties or {})
        self.undelivered: KafkaError | None = None
        """With which error records are reported that are not delivered."""
        self.unfit: set[str] = set()
        """Topics whose records are reported as too large."""
        self._queue: list[tuple[FakeMessage, Report | None, KafkaError | None]] = []
        self._written: list[FakeMessage] = []
        self._offsets: list[tuple[str, Sequence[TopicPartition]]] = []

    def _called(self, line: str) -> None:
        self.calls.append(line)
        if error := self.faults.pop(line, None):
            raise KafkaException(error)

    def _in(self, *states: str) -> None:
        if self._state not in states:
            raise erroneous_state()

    def init_transactions(self, _: float = -1) -> None:
        self._called("init")
        self._in("new")
        self._state = "ready"

    def begin_transaction(self) -> None:
        self._called("begin")
        self._in("ready")
        self._state = "open"

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = 0,
        on_delivery: Report | None = None,
        timestamp: int = 0,
        headers: Headers | None = None,
    ) -> None:
        self._called(f"produce {topic}")
        self._in("open", "plain")
        log = self._broker.log(topic, partition)
        message = FakeMessage(
            value, log.high, key=key, headers=headers or None, topic=topic, partition=partition
        )
        self._queue.append((message, on_delivery, None))

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], metadata: object, _: float = -1
    ) -> None:
        self._called(f"offsets {[(p.partition, p.offset) for p in offsets]} {metadata!s}")
        self._in("open")
        self._offsets.append((group_of(metadata), offsets))

    def commit_transaction(self, _: float = -1) -> None:
        self._called("commit")
        self._in("open")
        self._served()
        for group, offsets in self._offsets:
            self._broker.commit(group, offsets)
        self._ended(self._written)

    def abort_transaction(self, _: float = -1) -> None:
        self._called("abort")
        self._in("open")
        self._served()
        self._ended([])

    def _ended(self, visible: list[FakeMessage]) -> None:
        for message in self._written:
            self._append(message, visible=message in visible)
        for topic, partition in {(m.topic() or "", m.partition()) for m in self._written}:
            self._broker.log(topic, partition).append(None)  # the marker
        self._written, self._offsets, self._state = [], [], "ready"

    def _append(self, message: FakeMessage, *, visible: bool) -> None:
        log = self._broker.log(message.topic() or "", message.partition())
        kept = FakeMessage(
            message.value(), log.high, key=message.key(), headers=message.headers(),
            topic=message.topic(), partition=message.partition(),
        )  # fmt: skip
        log.append(kept if visible else None)

    def flush(self, _: float = -1) -> int:
        self._called("flush")
        self._served()
        return 0

    def poll(self, _: float = -1) -> int:
        return self._served()

    def purge(self) -> None:
        self._called("purge")
        purged = KafkaError(KafkaError._PURGE_QUEUE)
        self._queue = [(message, report, purged) for message, report, _ in self._queue]

    def _served(self) -> int:
        served, self._queue = self._queue, []
        for message, report, purged in served:
            too_large = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if self._unfit(message) else None
            error = purged or too_large or self.undelivered
            if error is None and self._state == "plain":
                self._append(message, visible=True)
            elif error is None:
                self._written.append(message)
            if report is not None:
                report(error, message)
        return len(served)

    def _unfit(self, message: FakeMessage) -> bool:
        return message.topic() in self.unfit

    def __len__(self) -> int:
        return len(self._queue)
