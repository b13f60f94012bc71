"""A record as bytes on the wire: what no client library here would send."""

import struct
from collections.abc import Sequence

from confluent_kafka.admin import AdminClient

from tests.broker import wait
from tests.integration.record_batch import Author, Content, batch
from tests.integration.wire import ask, read_text, text

PRODUCE = 0
VERSION = 3
NONE = 0
NOT_LEADING = (5, 6)


def produce_raw(
    bootstrap: str,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[bytes, bytes]],
) -> None:
    """Produce one record; names of headers may be any bytes."""
    write_raw(bootstrap, topic, partition, [Content(key, value, headers)])


def write_raw(
    bootstrap: str,
    topic: str,
    partition: int,
    contents: Sequence[Content],
    author: Author | None = None,
    transactional_id: str | None = None,
) -> None:
    """Produce records in one batch, which may be part of a transaction."""
    records = batch(contents, author)
    body = text(transactional_id) + struct.pack(">hii", -1, 30_000, 1) + text(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def accepted() -> bool:
        found = admin.list_topics(topic, timeout=30)
        leader = found.brokers.get(found.topics[topic].partitions[partition].leader)
        if leader is None or leader.host is None:
            return False
        answer = ask((leader.host, leader.port), PRODUCE, VERSION, body)
        (topics,) = struct.unpack(">i", answer.read(4))
        assert topics == 1
        read_text(answer)
        _, _, error = struct.unpack(">iih", answer.read(10))
        assert error in {NONE, *NOT_LEADING}, f"Produce answered error {error}"
        return error == NONE

    wait.until(accepted, "the leader of the partition")
