"""One HTTP connection: its requests in order, and a time limit for each of its states."""

import asyncio
import contextlib
import math
import socket
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from consumer.server.connections import Connections
from consumer.server.exchange import Exchange, refusal
from consumer.server.limits import PROBES, BodyBudget, Limits, RefusalError, UnreadBudget
from consumer.server.parsing import Head, RequestParser

UNREAD_BYTES: Final = 65_536
"""Bytes of unread responses above which nothing more is read from the client, or answered."""


class PortRules(NamedTuple):
    """State shared by the connections of one port."""

    app: Any
    limits: Limits
    connections: Connections
    bodies: BodyBudget
    unread: UnreadBudget
    refused: Callable[[int], None]
    """Receives the status of each response given by the server rather than the app."""
    buffer: memoryview
    """Receives each read; it is parsed before the next one, so one buffer serves all."""
    scheme: str


class Connection(asyncio.BufferedProtocol):
    """A client, from the moment it is accepted."""

    def __init__(self, port: PortRules, sock: socket.socket) -> None:
        self._port = port
        self._limits = port.limits
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self._parser: RequestParser | None = RequestParser(port.limits, self)
        self._queue: deque[Exchange] = deque()  # not answered yet; the app is working on the first
        self._arriving: Exchange | None = None  # has a head but no end yet
        self._begun = False
        self._deaf = False  # everything else that arrives is discarded
        self._paused = False  # the client does not read
        self._parting: RefusalError | None = None  # sent after the last response
        self.due = self._after(port.limits.silent_seconds)

    def _after(self, seconds: float) -> float:
        return self._loop.time() + min(seconds, self._limits.seconds)

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS if used, are set up; a request is expected."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is not registered
        # The default over TLS is eight times as much.
        self._open.set_write_buffer_limits(high=UNREAD_BYTES)
        self.due = self._after(self._limits.silent_seconds)

    @property
    def _open(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The client or this side closed the connection."""
        self._port.connections.leave(self)
        self._port.unread.reads(self)
        self._deaf, self._parting, self._arriving = True, None, None
        while self._queue:
            self._abandon(self._queue.pop())
        # What arrived must not wait for a full garbage collection, which is rare.
        if self._parser is not None:
            self._parser.end()
            self._parser = None
        # Nor must the transport, which refers to this object: over TLS it has buffers of half a
        # megabyte, which the garbage collector does not see.
        self._transport, self._ended = None, True

    def eof_received(self) -> bool:
        """The client sends no more; it may be waiting for responses.

        Over TLS it cannot: if one side is closed, so is the connection (RFC 5246, 7.2.1).
        """
        self._deaf = True
        if self._open.get_extra_info("ssl_object") is not None:
            return False
        if not self._queue or self._arriving is not None:
            return False
        self._queue[-1].keep_alive = False
        return True

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next read."""
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Some bytes arrived: part of a request, one request or several."""
        if self._deaf or self._parser is None:
            return
        try:
            self._parser.feed(self._port.buffer[:nbytes])
        except RefusalError as error:
            # After the last request a client may send anything: it is ignored.
            if not self._deaf:
                self._refuse(error)

    def pause_writing(self) -> None:
        """The client does not read its responses: nothing more is read from it meanwhile."""
        self._paused = True
        self._port.unread.stalls(self)
        if not self._open.is_closing():
            self._open.pause_reading()
        self.due = self._after(self._limits.seconds)

    def resume_writing(self) -> None:
        """The client has read everything."""
        self._paused = False
        self._port.unread.reads(self)
        if not self._open.is_closing():
            self._open.resume_reading()
            self._proceed()

    # The parser calls these; what they raise is raised by its `feed`.

    def begin(self) -> None:
        """A request starts to arrive."""
        if len(self._queue) >= self._limits.pipelined:
            raise RefusalError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"at most {self._limits.pipelined} requests may wait for their answers",
            )
        self._begun = True
        self.due = self._after(self._limits.seconds)

    def head(self, head: Head) -> None:
        """The head of a request: serve it, or refuse it."""
        if head.path not in PROBES and not self._port.connections.serves(self, self._loop.time()):
            raise RefusalError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many open connections; try again"
            )
        self._arriving = Exchange(head, self._port.scheme, self._write, self._answered)
        self._queue.append(self._arriving)
        if len(self._queue) == 1:
            self._proceed()

    def body(self, part: bytes) -> None:
        """A part of the body; ignored once the request is answered."""
        exchange = self._arriving
        if exchange is not None and not exchange.answered:
            self._port.bodies.take(len(part))
            exchange.feed(part)

    def end(self) -> None:
        """A request is complete."""
        exchange, self._arriving, self._begun = self._arriving, None, False
        assert exchange is not None
        self._port.connections.heard(self)
        exchange.complete()
        self._deaf = not exchange.keep_alive
        self._proceed()

    # The rest keeps responses in order.

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _answered(self, exchange: Exchange, data: bytes) -> None:
        """The app answered the first request of the queue."""
        self._queue.popleft()
        self._port.bodies.release(exchange.size)
        if exchange.failed:
            self._port.refused(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._port.unread.make_room(len(data))
        self._write(data)
        if exchange.keep_alive:
            self._proceed()
        elif exchange.whole:
            self._close()
        else:
            self._linger()

    def _proceed(self) -> None:
        """Do whatever is next: a response, the rest of a request, or the next one."""
        if self._paused:
            return
        if self._queue:
            if not self._begun:
                self.due = math.inf
            self._queue[0].start(self._port.app)
        elif self._parting is not None:
            self._part()
        elif not self._begun and not self._deaf:
            self.due = self._after(self._limits.silent_seconds)

    def _refuse(self, error: RefusalError) -> None:
        """Answer in place of the app, after any pending responses, and close."""
        self._deaf, self._begun = True, False
        exchange, self._arriving = self._arriving, None
        if exchange is not None and exchange.answered:
            self._linger()
            return
        if exchange is not None:
            self._abandon(self._queue.pop())
        self._parting = error
        self._proceed()

    def _part(self) -> None:
        error, self._parting = self._parting, None
        assert error is not None
        self._port.refused(error.status)
        self._write(refusal(error.status, str(error)))
        self._linger()

    def _abandon(self, exchange: Exchange) -> None:
        self._port.bodies.release(exchange.size)
        exchange.cancel()

    def _linger(self) -> None:
        """Let the client read the response: closing with unread bytes would discard it."""
        self._deaf = True
        if self._open.can_write_eof() and not self._open.is_closing():
            self._open.write_eof()
        self.due = self._after(self._limits.linger_seconds)

    def _close(self) -> None:
        self._deaf = True
        self._open.close()
        # The transport waits for the client to read what is written, and for its closing message
        # over TLS.
        unread = self._open.get_write_buffer_size() > 0
        self.due = self._after(self._limits.seconds if unread else self._limits.linger_seconds)

    # The sweep, and the end of the server, call these.

    def expire(self) -> None:
        """The expected data did not arrive in time."""
        if not self._begun or self._paused or self._deaf:
            self.drop()
        else:
            self._refuse(
                RefusalError(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"the request took more than {self._limits.seconds:g} s to arrive",
                )
            )

    def unread(self) -> int:
        """Bytes of responses that wait for the client."""
        return self._open.get_write_buffer_size()

    def drop(self) -> None:
        """Close immediately, whatever the state."""
        if self._transport is not None:
            self._transport.abort()
            return
        if self._ended:
            return
        # Before the end of the handshake the transport is not ours; it sees its peer disappear.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Close once everything in flight is answered."""
        if not self._queue:
            self._close() if self._transport is not None else self.drop()
        for exchange in self._queue:
            exchange.keep_alive = False
