"""Transactions as a killed broker leaves them, made by hand: each partition has its own end.

Their coordinator never hears of them, so for it nothing is open, and a new producer of the same id
ends nothing. A broker accepts that with `UNVERIFIED` only; the partitions are in the same state as
after a kill (docs/exactly-once.md, which brokers).
"""

import enum
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.batch.records import Record
from tests.broker import wait
from tests.broker.read import committed
from tests.broker.transactions import open_transactions
from tests.integration.raw_produce import write_raw
from tests.integration.record_batch import Author, Content
from tests.integration.wire import ask, read_text, text

UNVERIFIED: Final = {"transaction.partition.verification.enable": "false"}
"""The broker does not ask the coordinator whether a transaction has been begun (KIP-890)."""

INIT_PRODUCER_ID: Final = 22
WRITE_TXN_MARKERS: Final = 27
TXN_OFFSET_COMMIT: Final = 28
RETRIED: Final = frozenset({14, 15, 16, 51})
"""Coordinator is loading, not available, moved; another transaction of the id is just ending."""


class End(enum.Enum):
    """What the marker in a partition says."""

    COMMITTED = 1
    ABORTED = 0
    MISSING = None


class DeadTransaction:
    """One transaction of an id that was used before, or not."""

    def __init__(self, bootstrap: str, transactional_id: str) -> None:
        """Fence earlier producers of the id, as every new one does."""
        self._bootstrap = bootstrap
        self._id = transactional_id
        # Only a client that looks for its coordinator makes a new broker create the topic for it.
        Producer({"bootstrap.servers": bootstrap, "transactional.id": self._id}).init_transactions(
            wait.GENEROUS
        )
        (node,) = AdminClient({"bootstrap.servers": bootstrap}).list_topics().brokers.values()
        self._address = str(node.host), node.port
        self._author: Author = wait.until(self._begin, "a producer id")

    def _begin(self) -> Author | None:
        body = text(self._id) + struct.pack(">i", 600_000)
        answer = ask(self._address, INIT_PRODUCER_ID, 0, body)
        _, error, producer_id, epoch = struct.unpack(">ihqh", answer.read(16))
        assert error in {0, *RETRIED}, f"InitProducerId answered error {error}"
        return None if error else Author(producer_id, epoch)

    def known(self) -> bool:
        """True if the coordinator holds a transaction of the id to be open."""
        return self._id in {t.transactional_id for t in open_transactions(self._bootstrap)}

    def records(self, topic: str, records: Mapping[int, Sequence[Record]]) -> None:
        """Write records, by partition; all of a partition at once."""
        for partition, some in records.items():
            contents = [_content(record) for record in some]
            write_raw(self._bootstrap, topic, partition, contents, self._author, self._id)

    def offsets(self, group: str, places: Sequence[TopicPartition]) -> None:
        """Commit offsets of a group without members, with their metadata."""
        committed(self._bootstrap, group, places[0].topic)  # creates the topic, as above
        wait.until(lambda: self._commit(group, places), "the group's coordinator")

    def _commit(self, group: str, places: Sequence[TopicPartition]) -> bool:
        (topic,) = {place.topic for place in places}
        body = text(group) + text(self._id) + struct.pack(">qh", *self._author[:2])
        body += struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(places))
        for place in places:
            body += struct.pack(">iq", place.partition, place.offset) + text(place.metadata or None)
        answer = ask(self._address, TXN_OFFSET_COMMIT, 0, body)
        answer.read(8)
        read_text(answer)
        (count,) = struct.unpack(">i", answer.read(4))
        errors = {struct.unpack(">ih", answer.read(6))[1] for _ in range(count)} - {0}
        assert errors <= RETRIED, f"TxnOffsetCommit answered errors {errors}"
        return not errors

    def end(self, topic: str, partitions: Sequence[int], end: End) -> None:
        """Write the marker to these partitions, if there is to be one."""
        if end is End.MISSING:
            return
        named = _compact(topic.encode()) + _count(len(partitions))
        named += struct.pack(f">{len(partitions)}i", *partitions) + b"\0"
        body = _count(1) + struct.pack(">qhb", *self._author[:2], end.value or 0)
        body += _count(1) + named + struct.pack(">i", 0) + b"\0\0"
        answer = ask(self._address, WRITE_TXN_MARKERS, 1, body, tags=b"\0")
        answer.read(1 + 8 + 1 + len(_compact(topic.encode())) + 1)
        for _ in partitions:
            _, error, _ = struct.unpack(">ihb", answer.read(7))
            assert error == 0, f"WriteTxnMarkers answered error {error}"


def _content(record: Record) -> Content:
    headers = [
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in record.headers or ()
    ]
    return Content(record.key, record.value, headers)


def _compact(value: bytes) -> bytes:
    return _count(len(value)) + value


def _count(value: int) -> bytes:
    assert value < 127
    return bytes([value + 1])
