"""The real server in a separate process, and raw connections to it."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 30.0
LISTENING = re.compile(r"listening on port (\d+)")


class Server(NamedTuple):
    """A server under test."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A raw connection, for what no client library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)


@contextmanager
def running(model: Path, **settings: str) -> Iterator[Server]:
    """Serve the model with these settings until the body ends."""
    names = ("PATH", "HOME", "SYSTEMROOT")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    environ |= {"API_PORT": "0", "MODEL_DIR": str(model), "OMP_NUM_THREADS": "1", **settings}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "consumer", "serve"], cwd=ROOT, env=environ, stderr=out
            )
        try:
            yield Server(process, _port(process, log), log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port the server says it listens on."""
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        if found := LISTENING.search(log.read_text()):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"the server did not start: {log.read_text()}")


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
