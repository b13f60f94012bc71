"""The real server in a separate process, and raw connections to it."""

import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

from tests.broker import wait
from tests.harness.process import Process, module

LISTENING = re.compile(r"listening on port (\d+)")


class Server(Process):
    """A server under test."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        super().__init__(module("consumer", "serve"), env, log)
        self.port = wait.until(self._port, "the server to listen")

    def _port(self) -> int | None:
        """The port it says it listens on."""
        self.check()
        found = LISTENING.search(self.log)
        return int(found[1]) if found else None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A raw connection, for what no client library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=wait.GENEROUS)


@contextmanager
def running(model: Path, **settings: str) -> Iterator[Server]:
    """Serve the model with these settings until the body ends."""
    names = ("PATH", "HOME", "SYSTEMROOT")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    environ |= {"API_PORT": "0", "MODEL_DIR": str(model), "OMP_NUM_THREADS": "1", **settings}
    with tempfile.TemporaryDirectory() as folder:
        server = Server(environ, Path(folder) / "log")
        try:
            yield server
        finally:
            if not server.ended:
                server.kill()


class Answer(NamedTuple):
    """The response on a raw connection."""

    status: int
    content_type: str | None
    body: bytes
    closes: bool


def answer(sock: socket.socket) -> Answer:
    """Read one answer."""
    response = HTTPResponse(sock)
    response.begin()
    closes = response.getheader("connection") == "close"
    content_type = response.getheader("content-type")
    return Answer(response.status, content_type, response.read(), closes)


def head(body: bytes, **headers: str) -> bytes:
    """The head of a request to score this body."""
    lines = ["POST /fraud-detection HTTP/1.1", "Host: test", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
