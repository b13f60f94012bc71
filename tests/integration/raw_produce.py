"""A record as bytes on the wire: what no client library here would send."""

import io
import socket
import struct
import time
from collections.abc import Sequence

from confluent_kafka.admin import AdminClient

from tests.broker import wait

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
    records = _batch(_record(key, value, headers))
    body = struct.pack(">hhii", -1, -1, 30_000, 1) + _text(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    request = struct.pack(">hhih", PRODUCE, VERSION, 1, -1) + body
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def accepted() -> bool:
        found = admin.list_topics(topic, timeout=30)
        leader = found.brokers.get(found.topics[topic].partitions[partition].leader)
        if leader is None or leader.host is None:
            return False
        error = _ask(leader.host, leader.port, request)
        assert error in {NONE, *NOT_LEADING}, f"Produce answered error {error}"
        return error == NONE

    wait.until(accepted, "the leader of the partition")


def _ask(host: str, port: int, request: bytes) -> int:
    """Send the request; the error of its one partition."""
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        answer = io.BytesIO(stream.read(size))
    # correlation id, one topic, its name, one partition, its number, the error
    answer.read(8)
    (length,) = struct.unpack(">h", answer.read(2))
    answer.read(length + 8)
    (error,) = struct.unpack(">h", answer.read(2))
    return int(error)


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def _record(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    body = b"\0" + _varint(0) + _varint(0) + _bytes(key) + _bytes(value) + _varint(len(headers))
    body += b"".join(_bytes(name) + _bytes(content) for name, content in headers)
    return _varint(len(body)) + body


def _batch(record: bytes) -> bytes:
    now = int(time.time() * 1_000)
    # attributes, last offset delta, times, producer id, epoch, sequence, count
    rest = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    head = struct.pack(">ibI", -1, 2, _crc32c(rest))
    return struct.pack(">qi", 0, len(head) + len(rest)) + head + rest


def _bytes(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


def _varint(value: int) -> bytes:
    left = (value << 1) ^ (value >> 63)
    made = bytearray()
    while left >= 0x80:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    made.append(left)
    return bytes(made)


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
