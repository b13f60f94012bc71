"""One request and its response: the ASGI side of a connection."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from consumer.server.parsing import Head
from consumer.server.problem import PROBLEM_JSON, problem

log = logging.getLogger(__name__)

HttpHeaders = Iterable[tuple[bytes, bytes]]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_BODILESS: Final = {HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value}


class Exchange:
    """A request, arriving or complete, and the app that answers it."""

    def __init__(
        self,
        head: Head,
        scheme: str,
        write: Callable[[bytes], None],
        answered: Callable[["Exchange", bytes], None],
    ) -> None:
        """Prepare the call of the app.

        Args:
            head: the request so far.
            scheme: http or https.
            write: sends bytes to the client before the response.
            answered: receives the complete response, once.
        """
        self._head = head
        self._scheme = scheme
        self._write = write
        self._done = answered
        self._body = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._status = 0
        self._headers: HttpHeaders = ()
        self._content = b""
        self.keep_alive = head.keep_alive
        self.size = 0
        """Bytes of the body that have arrived."""
        self.whole = False
        self.answered = False
        self.failed = False
        """True if the server answered instead of the app."""

    def start(self, app: Any) -> None:
        """Call the app, unless it has already been called."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(app(self._scope(), self._receive, self._send))
            self._task.add_done_callback(self._ended)

    def feed(self, part: bytes) -> None:
        """A part of the body arrived."""
        self.size += len(part)
        self._body += part
        self._wake()

    def complete(self) -> None:
        """The whole request arrived."""
        self.whole = True
        self._wake()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._body.clear()
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _scope(self) -> dict[str, Any]:
        head = self._head
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "method": head.method,
            "scheme": self._scheme,
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
        }

    async def _receive(self) -> dict[str, Any]:
        if self.answered:
            return {"type": "http.disconnect"}
        if not self._body and not self.whole:
            if self._head.awaits_continue and not self.size:
                self._write(CONTINUE)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message.get("headers", ())
            return
        self._content += message.get("body", b"")
        if not message.get("more_body", False):
            self._finish(
                answer(
                    self._status,
                    self._headers,
                    self._content,
                    close=not self.keep_alive,
                    bodiless=self._head.method == "HEAD",
                )
            )

    def _finish(self, data: bytes) -> None:
        self.answered = True
        self._done(self, data)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # The frames of a task that was cancelled hold what has arrived of the body, and this object
        # as well: as a cycle they would outlive the connection until a full garbage collection.
        self._task = self._waiter = None
        if task.cancelled() or self.answered:
            return
        log.error("a request could not be answered", exc_info=task.exception())
        self.keep_alive, self.failed = False, True
        self._finish(refusal(HTTPStatus.INTERNAL_SERVER_ERROR, ""))


def answer(
    status: int, headers: HttpHeaders, content: bytes, *, close: bool, bodiless: bool = False
) -> bytes:
    """The bytes of a response.

    Args:
        status: the HTTP status.
        headers: of the response; its length, the date and Connection are added.
        content: the body.
        close: True if the connection ends with it.
        bodiless: the request was HEAD: headers only.
    """
    parts = [_STATUS_LINES[status]]
    sized = status in _BODILESS
    for name, value in headers:
        sized = sized or name == b"content-length"
        parts += (name, b": ", value, b"\r\n")
    if not sized:
        parts.append(b"content-length: %d\r\n" % len(content))
    parts.append(_date(int(time.time())))
    parts.append(b"connection: close\r\n\r\n" if close else b"\r\n")
    if not bodiless:
        parts.append(content)
    return b"".join(parts)


def refusal(status: int, detail: str) -> bytes:
    """The bytes of a response that the app was not involved in."""
    headers = [(b"content-type", PROBLEM_JSON.encode())]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    return answer(status, headers, problem(status, detail), close=True)


@functools.lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
