"""Requests of Kafka's protocol in their older form, without tagged fields."""

import io
import socket
import struct

CORRELATION_ID = 1


def ask(
    address: tuple[str, int], key: int, version: int, body: bytes, tags: bytes = b""
) -> io.BytesIO:
    """Send one request; the answer after its header.

    Args:
        address: of the broker.
        key: of the request.
        version: of the request.
        body: of the request.
        tags: of the two headers: an empty list in newer forms, nothing in the older ones.
    """
    request = struct.pack(">hhih", key, version, CORRELATION_ID, -1) + tags + body
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        answer = io.BytesIO(stream.read(size))
    answer.read(4 + len(tags))
    return answer


def text(value: str | None) -> bytes:
    """A string, or none."""
    if value is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(value.encode())) + value.encode()


def read_text(answer: io.BytesIO) -> str:
    """A string of an answer."""
    (length,) = struct.unpack(">h", answer.read(2))
    return answer.read(length).decode()
