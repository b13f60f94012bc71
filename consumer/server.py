"""Serving an HTTP app: in the main thread, or beside the worker."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from consumer.errors import SettingsError

log = logging.getLogger(__name__)

MAX_CONCURRENT_REQUESTS: Final = 512
MAX_HEADER_BYTES: Final = 16_384
GRACE_S: Final = 10


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Take the port now, so that a taken one is refused at start by the setting's name.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    try:
        return socket.create_server((host, port), backlog=1_024)
    except OSError as error:
        raise SettingsError(f"{setting}={port}: cannot listen on {host}: {error}") from error


def make_server(app: Any) -> uvicorn.Server:
    """A server with limits on headers and concurrency, and no access log."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=MAX_CONCURRENT_REQUESTS,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


@contextmanager
def beside(app: Any, sock: socket.socket) -> Iterator[None]:
    """Serve from a thread while the body runs."""
    server = make_server(app)
    thread = threading.Thread(target=server.run, args=([sock],), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(GRACE_S + 1)
        sock.close()


def serve(app: Any, sock: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    log.info("listening on port %d", sock.getsockname()[1])
    make_server(app).run([sock])
