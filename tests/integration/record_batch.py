"""Records as the bytes of a batch (message format 2)."""

import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[bytes, bytes | None]]
TRANSACTIONAL = 0x10


class Author(NamedTuple):
    """The producer of a transactional batch."""

    producer_id: int
    epoch: int
    sequence: int = 0
    """Of the batch's first record."""


class Content(NamedTuple):
    """One record; names of headers may be any bytes."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def batch(contents: Sequence[Content], author: Author | None = None) -> bytes:
    """A batch of records; part of a transaction if it has an author."""
    records = b"".join(_record(delta, *content) for delta, content in enumerate(contents))
    now, last = int(time.time() * 1_000), len(contents) - 1
    attributes = TRANSACTIONAL if author else 0
    by = author or Author(-1, -1, -1)
    rest = struct.pack(">hiqqqhii", attributes, last, now, now, *by, len(contents)) + records
    head = struct.pack(">ibI", -1, 2, _crc32c(rest))
    return struct.pack(">qi", 0, len(head) + len(rest)) + head + rest


def _record(delta: int, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    body = b"\0" + varint(0) + varint(delta) + _bytes(key) + _bytes(value) + varint(len(headers))
    body += b"".join(_bytes(name) + _bytes(content) for name, content in headers)
    return varint(len(body)) + body


def _bytes(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def varint(value: int) -> bytes:
    """A signed number of variable length."""
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
