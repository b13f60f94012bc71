"""Reads the contents of topics and groups to the end: to an offset, never to a time."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import TopicMetadata

from tests.broker import wait

Isolation = Literal["read_committed", "read_uncommitted"]
Header = tuple[str, bytes | None]
QUIET = {"log_level": 0}


class Record(NamedTuple):
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp: int

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    def header(self, name: str) -> bytes | None:
        return dict(self.headers)[name]


def record(message: Message) -> Record:
    """Take over the client's message."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Record(
        topic,
        partition,
        offset,
        _as_bytes(message.key()),
        _as_bytes(message.value()),
        tuple((name, _as_bytes(value)) for name, value in pairs),
        message.timestamp()[1],
    )


def _as_bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def partitions_of(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of the topics."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})

    def known() -> dict[str, TopicMetadata] | None:
        found: dict[str, TopicMetadata] = admin.list_topics(timeout=10).topics
        return found if all(t in found and found[t].partitions for t in topics) else None

    found = wait.until(known, f"topics {', '.join(topics)}")
    return [TopicPartition(t, p) for t in topics for p in sorted(found[t].partitions)]


def end_offsets(
    bootstrap: str, topics: Sequence[str], isolation: Isolation = "read_committed"
) -> dict[tuple[str, int], int]:
    """End of each partition: the last stable offset, or the high watermark when uncommitted."""
    level = (
        IsolationLevel.READ_COMMITTED
        if isolation == "read_committed"
        else IsolationLevel.READ_UNCOMMITTED
    )
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = dict.fromkeys(partitions_of(bootstrap, topics), latest)

    def answered() -> dict[tuple[str, int], int] | None:
        admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
        answers = admin.list_offsets(asked, isolation_level=level, request_timeout=60)
        try:
            return {(p.topic, p.partition): f.result(60).offset for p, f in answers.items()}
        except KafkaException:  # a leader that is just changing
            return None

    return wait.until(answered, f"end offsets of {', '.join(topics)}")


def read_all(bootstrap: str, topic: str, isolation: Isolation = "read_committed") -> list[Record]:
    """Every record of the topic up to its present end, partition by partition."""
    ends = end_offsets(bootstrap, [topic], isolation)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "fetch.wait.max.ms": 10,
            **QUIET,
        }
    )
    found: dict[int, list[Record]] = {partition: [] for _, partition in ends}
    try:
        consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in ends])
        left = set(ends)
        while left:
            # In a list: a message without a value is false by itself.
            (message,) = wait.until(lambda: consumer.consume(1, 1.0), f"the end of {topic}")
            error = message.error()
            if error is None:
                row = record(message)
                found[row.partition].append(row)
            elif error.code() == KafkaError._PARTITION_EOF:
                end = record(message)
                if end.offset >= ends[topic, end.partition]:
                    left.discard((topic, end.partition))
    finally:
        consumer.close()
    return [row for partition in sorted(found) for row in found[partition]]


def committed(
    bootstrap: str, group: str, topic: str, seconds: float = wait.GENEROUS
) -> dict[int, int]:
    """Committed stable offset of each partition of the topic that has one.

    Raises:
        TimeoutError: offsets stay pending for so long.
    """
    # Not by an admin client: while offsets are pending its librdkafka crashes (rd_kafka_cgrp_op).
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **QUIET})
    places = partitions_of(bootstrap, [topic])

    def stable() -> list[TopicPartition] | None:
        try:
            return consumer.committed(places, timeout=10)
        except KafkaException:  # pending offsets of a transaction, or a coordinator that moves
            return None

    try:
        found = wait.until(stable, f"stable offsets of {group}", seconds)
    finally:
        consumer.close()
    return {p.partition: p.offset for p in found if p.offset >= 0}
