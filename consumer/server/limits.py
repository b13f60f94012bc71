"""Limits on what a client of an HTTP port may send and how long it may take; refusals."""

from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

PROBES: Final = ("/healthz", "/readyz")
"""Paths that need no token and are answered even above the connection limit.

A busy process is not a dead one, and they reveal only a state."""
READ_BYTES: Final = 16_384
"""Read from a connection at a time; limits on unfinished lines may be exceeded by this much."""


class Limits(NamedTuple):
    """Limits of one port. Together they bound its memory."""

    head_bytes: int = 16_384
    """Request line, headers and trailers in total."""
    headers: int = 100
    """Headers and trailers of a request."""
    pipelined: int = 16
    """Requests of one connection that are not answered yet."""
    connections: int = 512
    """Open connections that are served; beyond that 503, except for probes."""
    spare: int = 64
    """Open beyond that, for probes and refusals; the next one displaces the oldest."""
    body_bytes: int = 67_108_864
    """All request bodies in flight in total."""
    unread_bytes: int = 67_108_864
    """All responses that clients have not read yet, in total."""
    seconds: float = 10.0
    """For a request to arrive after its first byte, and for a response to be read."""
    silent_seconds: float = 5.0
    """For the first byte, also between two requests; over TLS also for the handshake."""
    linger_seconds: float = 2.0
    """For a refused client to read why; anything else it sends is discarded."""


class RefusalError(Exception):
    """A request that the server answers itself, without the app, closing the connection."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class BodyBudget:
    """Bytes of request bodies in flight, over all connections of a port."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count bytes that have arrived.

        Raises:
            RefusalError: 503; there is no room for them.
        """
        if self.used + size > self._limit:
            raise RefusalError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the requests in flight have more than {self._limit} bytes in total; try again",
            )
        self.used += size

    def release(self, size: int) -> None:
        """Forget bytes whose request is answered or gone."""
        self.used -= size


class SlowReader(Protocol):
    """A connection whose client does not read its responses."""

    def unread(self) -> int:
        """Bytes waiting for it."""

    def drop(self) -> None:
        """Close it immediately, whatever its state."""


class UnreadBudget:
    """Bytes of responses that clients have not read, over all connections of a port."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slow: dict[SlowReader, None] = {}

    def stalls(self, reader: SlowReader) -> None:
        """Its client has stopped reading."""
        self._slow[reader] = None

    def reads(self, reader: SlowReader) -> None:
        """Its client has read everything, or is gone."""
        self._slow.pop(reader, None)

    def make_room(self, size: int) -> None:
        """Close the connections that stalled first, until there is room for another response."""
        waiting = sum(reader.unread() for reader in self._slow)
        for reader in list(self._slow):
            if waiting + size <= self._limit:
                return
            waiting -= reader.unread()
            self.reads(reader)
            reader.drop()
