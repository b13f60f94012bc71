"""Bounds the answers of a registry: its client reads whatever arrives into memory."""

from collections.abc import Iterator
from typing import Final

import httpx2
from confluent_kafka.schema_registry import SchemaRegistryClient

MOST_BYTES: Final = 1024 * 1024
"""Per answer: a schema above half a megabyte is refused, and several are requested at once.
The client takes up to fourteen times as much memory for one."""


class AnswerError(ValueError):
    """An answer is larger than any registry's, or compressed although nobody asked for that."""


class OversizedError(AnswerError):
    """A successful answer is larger than any that is used."""


def bound(client: SchemaRegistryClient, most: int = MOST_BYTES) -> None:
    """Make the client give up on an answer that is too large, as it arrives.

    Args:
        client: confluent-kafka's, which has no setting for this. What sends its requests is
            private, so a release without it raises an AttributeError at startup.
        most: bytes.
    """
    session: httpx2.Client = client._rest_client.session
    # A compressed answer of a megabyte may expand to a gigabyte.
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
