"""One HTTP connection, with limits on what its client may send and how long it may take.

uvicorn limits neither the size of a header nor the time a request takes to arrive, and answers
what it refuses itself as plain text. Here such answers are problem+json like all others.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from consumer.problem import PROBLEM_JSON, problem

PROBES: Final = (b"/healthz", b"/readyz")
"""Answered over the limit of connections too: a busy process is not a dead one."""


class Limits(NamedTuple):
    """What a client may do."""

    head_bytes: int = 16_384
    """Of the request line and the headers together."""
    connections: int = 512
    """At a time; each has at most one request under way."""
    seconds: float = 10.0
    """For a whole request to arrive, from the connection or the request's first byte. What a
    client goes on sending after a refusal counts too, so it is thrown away no longer than that."""


def _ignore(status: int) -> None:
    """Count nothing."""


class LimitedConnection(HttpToolsProtocol):
    """A connection of uvicorn's that keeps to the limits."""

    def __init__(
        self, limits: Limits, refused: Callable[[int], None] = _ignore, **uvicorn: Any
    ) -> None:
        """Wrap uvicorn's protocol.

        Args:
            limits: what the client may do.
            refused: told the status of each answer given here, not by the app.
            uvicorn: what uvicorn passes to a protocol.
        """
        super().__init__(**uvicorn)
        self._limits = limits
        self._refused = refused
        self._serve = self.app
        self._deadline: asyncio.TimerHandle | None = None
        self._arriving = True
        self._head_bytes = 0  # -1 once the headers are complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected; its first request is due."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client, or this side, closed."""
        self._arriving = False
        self._watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came: part of a request, one or several."""
        in_head = self._head_bytes >= 0
        super().data_received(data)
        if in_head and self._head_bytes >= 0:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(431, "the headers are too large")
        self._watch()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._arriving = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The headers of a request are here: serve it, or refuse it."""
        self._head_bytes = -1
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.head_bytes:
            self.app = self._answer(431, "the headers are too large")
        elif len(self.connections) > self._limits.connections and self.url not in PROBES:
            self.app = self._answer(503, "too many connections at a time; try again")
        super().on_headers_complete()
        self.app = self._serve

    def on_message_complete(self) -> None:
        """A request is here as a whole."""
        self._arriving = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, msg)

    def _watch(self) -> None:
        """Keep a deadline while a request is arriving, and only then."""
        if self._arriving and self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.seconds, self._late)
        elif not self._arriving and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._arriving and self.cycle is None and not self._head_bytes:
            self.transport.close()  # connected, and never said a word
        elif self._arriving:
            self._refuse(408, f"the request took more than {self._limits.seconds:g} s to arrive")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer in place of the app, if it has not answered, and close."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        between = cycle is None or (cycle.response_complete and self._head_bytes >= 0)
        if between or not cycle.response_started:
            self._refused(status)
            self.transport.write(_raw(status, detail))
        if cycle is not None and not cycle.response_complete:
            # Whoever waits for the rest of the body is told that the client is gone.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _answer(self, status: int, detail: str) -> Any:
        """An app that refuses."""

        async def refuse(scope: Any, receive: Any, send: Any) -> None:
            self._refused(status)
            body = problem(status, detail)
            await send({"type": "http.response.start", "status": status, "headers": _headers(body)})
            await send({"type": "http.response.body", "body": body})

        return refuse


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"retry-after", b"1"),
    ]


def _raw(status: int, detail: str) -> bytes:
    body = problem(status, detail)
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    head += [name + b": " + value for name, value in _headers(body)]
    return b"\r\n".join([*head, b"", body])
