"""Bounds the answers of a registry: its client reads whatever arrives into memory."""

from collections.abc import Iterator
from typing import Final

import httpx2
from confluent_kafka.schema_registry import SchemaRegistryClient

MOST_BYTES: Final = 2 * 1024 * 1024
"""Of one answer: a schema is refused from half a megabyte on, and many are asked for at once."""


class AnswerError(ValueError):
    """An answer is larger than any registry's, or packed although nobody asked for that."""


class OversizedError(AnswerError):
    """An answer that says what was asked for is larger than any that is used."""


def bound(client: SchemaRegistryClient, most: int = MOST_BYTES) -> None:
    """Have the client give up an answer that is too large, as it arrives.

    Args:
        client: of confluent-kafka, which has no setting for this. What sends its requests is
            private to it, so a release without it is an AttributeError at the start.
        most: bytes.
    """
    session: httpx2.Client = client._rest_client.session
    # A packed answer of a megabyte may unpack to a gigabyte.
    session.headers["Accept-Encoding"] = "identity"

    def check(answer: httpx2.Response) -> None:
        coding = answer.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() != "identity":
            raise AnswerError(f"the answer has the Content-Encoding {coding[:40]!r}, unasked")
        assert isinstance(answer.stream, httpx2.SyncByteStream)
        error = OversizedError if answer.is_success else AnswerError
        answer.stream = _Bounded(answer.stream, most, error)

    session.event_hooks = {"request": [], "response": [check]}


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, most: int, error: type[AnswerError]) -> None:
        self._stream = stream
        self._most = most
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise self._error(f"the answer has more than {self._most:,} bytes")
            yield piece

    def close(self) -> None:
        self._stream.close()
