"""Serving an HTTP app: in the main thread, or beside the worker."""

import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from consumer.connection import LimitedConnection, Limits
from consumer.errors import SettingsError

log = logging.getLogger(__name__)

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


def tls(
    certificate: Path | None, key: Path | None, settings: str = "API_TLS"
) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with this certificate chain, None without one.

    Args:
        certificate: PEM file; the server's certificate first.
        key: PEM file; None when the key is in the certificate's file.
        settings: how the names of the two settings begin.

    Raises:
        SettingsError: a file cannot be read, or the two do not match.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password instead of a prompt for one: nobody is there to answer it.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise SettingsError(
            f"{settings}_CERT={certificate} {settings}_KEY={key}: {error}"
        ) from error
    return context


def make_server(
    app: Any,
    limits: Limits = Limits(),  # noqa: B008 - an immutable value
    refused: Callable[[int], None] = lambda _: None,
    context: ssl.SSLContext | None = None,
) -> uvicorn.Server:
    """A server without an access log.

    Args:
        app: the ASGI app.
        limits: what a client may do.
        refused: told the status of each answer that is not the app's.
        context: for TLS.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=partial(LimitedConnection, limits, refused),  # type: ignore[arg-type]
            ssl_context_factory=(lambda *_: context) if context else None,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


@contextmanager
def beside(app: Any, sock: socket.socket, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve from a thread while the body runs, over TLS when there is a context."""
    server = make_server(app, context=context)
    thread = threading.Thread(target=server.run, args=([sock],), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(GRACE_S + 1)
        sock.close()


def serve(server: uvicorn.Server, sock: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn has handlers of its own while it runs, and afterwards sends itself the signal again
    # for those that were there before it: these.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("listening on port %d", sock.getsockname()[1])
    server.run([sock])
    log.info("stopped; every request under way was answered")
