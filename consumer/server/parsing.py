"""Turns bytes into HTTP/1.1 requests, within limits. Knows neither sockets nor the app.

httptools does the parsing (llhttp, the parser of Node.js, in its strict mode).
"""

from http import HTTPStatus
from typing import Any, Final, NamedTuple, NoReturn, Protocol
from urllib.parse import unquote

import httptools

from consumer.server.limits import Limits, RefusalError

VERSIONS: Final = ("1.0", "1.1")
FRAMING: Final = (b"content-length", b"transfer-encoding")


class Head(NamedTuple):
    """A request without its body."""

    version: str
    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    keep_alive: bool
    awaits_continue: bool


class Receiver(Protocol):
    """Receives the requests. Its exceptions end the parsing and are raised by `feed`."""

    def begin(self) -> None:
        """The first byte of a request."""

    def head(self, head: Head) -> None:
        """Request line and headers."""

    def body(self, part: bytes) -> None:
        """A part of the body."""

    def end(self) -> None:
        """The request is complete."""


class RequestParser:
    """Reads the requests of one connection. The methods `on_…` are called by httptools."""

    def __init__(self, limits: Limits, receiver: Receiver) -> None:
        self._limits = limits
        self._receiver = receiver
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._fields = 0
        self._size = 0  # of all complete headers and trailers
        self._unfinished = 0  # arrived since the last complete part of a request

    def feed(self, data: memoryview) -> None:
        """Parse what arrived.

        Raises:
            RefusalError: it is not HTTP, or too large. Nothing may be fed afterwards.
        """
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is answered as if it had not requested another protocol, and was the last.
            return
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, RefusalError):
                raise error.__context__ from None
            raise RefusalError(HTTPStatus.BAD_REQUEST, f"not a valid request: {error}") from None
        # The parser keeps an unterminated line until it ends.
        if self._unfinished > self._limits.head_bytes:
            self._too_large()

    def end(self) -> None:
        """Nothing more is fed: let go of the parser, which refers to this object."""
        self._parser = None

    def on_message_begin(self) -> None:
        """A request starts."""
        self._receiver.begin()
        self._url, self._headers, self._in_head = b"", [], True
        self._fields = self._size = 0

    def on_url(self, part: bytes) -> None:
        """A part of the request's target."""
        self._url += part
        self._size += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer, which is counted and dropped.

        A trailer mistaken for a header would bypass checks that rely on headers (RFC 9110,
        section 6.5.1).
        """
        self._fields += 1
        self._size += len(name) + len(value) + 4
        if self._size > self._limits.head_bytes:
            self._too_large()
        if self._fields > self._limits.headers:
            raise RefusalError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"a request may have at most {self._limits.headers} headers",
            )
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head, self._unfinished = False, 0
        if self._size > self._limits.head_bytes:
            self._too_large()
        self._receiver.head(self._head())

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._unfinished = 0
        self._receiver.body(part)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._unfinished = 0
        self._receiver.end()

    def _head(self) -> Head:
        version, upgrade = self._parser.get_http_version(), self._parser.should_upgrade()
        if version not in VERSIONS:
            raise RefusalError(
                HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"send HTTP/1.1, not HTTP/{version}"
            )
        names = [name for name, _ in self._headers]
        hosts = names.count(b"host")
        if hosts > 1 or (not hosts and version == "1.1"):
            raise RefusalError(HTTPStatus.BAD_REQUEST, "send exactly one Host header")
        if upgrade and any(name in names for name in FRAMING):
            # httptools skips such a body: it would be read as the next request.
            raise RefusalError(HTTPStatus.BAD_REQUEST, "send a body without Upgrade")
        codings = [value.lower() for name, value in self._headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise RefusalError(HTTPStatus.BAD_REQUEST, "send Transfer-Encoding: chunked alone")
        path, query = self._target()
        return Head(
            version,
            self._parser.get_method().decode("ascii"),
            unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii"),
            path,
            query,
            self._headers,
            # An HTTP/1.0 client would have to be told that its connection stays open.
            self._parser.should_keep_alive() and not upgrade and version == "1.1",
            any(n == b"expect" and value.lower() == b"100-continue" for n, value in self._headers),
        )

    def _target(self) -> tuple[bytes, bytes]:
        try:
            url = httptools.parse_url(self._url)
        except httptools.HttpParserInvalidURLError:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "the target is not a valid path") from None
        return url.path or b"/", url.query or b""

    def _too_large(self) -> NoReturn:
        raise RefusalError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"request line, headers and trailers have more than {self._limits.head_bytes} bytes",
        )
