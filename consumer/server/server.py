"""Serving an HTTP app: in the main thread, or next to the worker."""

import asyncio
import errno
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from consumer.server.connection import Connection, PortRules
from consumer.server.connections import Connections
from consumer.server.limits import READ_BYTES, BodyBudget, Limits, UnreadBudget

if sys.platform != "win32":
    import uvloop

log = logging.getLogger(__name__)

GRACE_S: Final = 6
"""For the requests in flight when it is stopped; less than `consumer.stop.LIMIT_S`."""
TICK_S: Final = 0.1
FULL: Final = (errno.EMFILE, errno.ENFILE)
LOOP: Final = None if sys.platform == "win32" else uvloop.new_event_loop


class Server:
    """Accepts connections on one port, and ends those that take too long."""

    def __init__(
        self,
        app: Any,
        limits: Limits = Limits(),  # noqa: B008 - an immutable value
        refused: Callable[[int], None] = lambda _: None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            app: the ASGI app.
            limits: what a client may do.
            refused: receives the status of each response that is not the app's.
            context: for TLS.
        """
        self._context = context
        self._stopping = False
        self._connections = Connections(limits)
        self._setups: set[asyncio.Task[None]] = set()
        self._port = PortRules(
            app,
            limits,
            self._connections,
            BodyBudget(limits.body_bytes),
            UnreadBudget(limits.unread_bytes),
            refused,
            memoryview(bytearray(READ_BYTES)),
            "http" if context is None else "https",
        )

    def stop(self) -> None:
        """Stop soon: requests in flight are answered first. From any thread or signal handler."""
        self._stopping = True

    def run(self, sock: socket.socket) -> None:
        """Serve until `stop` is called; then the socket is closed."""
        with asyncio.Runner(loop_factory=LOOP) as runner:
            runner.run(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        accepting = loop.create_task(self._accept(sock))
        while not self._stopping and not accepting.done():
            await asyncio.sleep(TICK_S)
            self._connections.sweep(loop.time())
        accepting.cancel()
        await asyncio.wait([accepting])
        sock.close()
        await self._drain(loop.time() + GRACE_S)
        if not accepting.cancelled():
            accepting.result()

    async def _drain(self, give_up: float) -> None:
        """Answer the requests in flight, until the given time."""
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            connection.finish()
        while len(self._connections) and loop.time() < give_up:
            await asyncio.sleep(TICK_S / 4)
            self._connections.sweep(loop.time())
        for connection in self._connections:
            connection.drop()

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(sock)
            except ConnectionAbortedError:
                continue  # the client went away while queued
            except OSError as error:
                if error.errno not in FULL:
                    raise
                log.warning("out of file descriptors: closing the longest-idle connection")
                self._connections.evict()
                await asyncio.sleep(TICK_S)
                continue
            self._welcome(client)
            # Accepting may never wait; give the accepted ones their turn first.
            await asyncio.sleep(0)

    def _welcome(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(self._port, client)
        self._connections.admit(connection, loop.time())
        setup = loop.create_task(self._set_up(connection, client))
        self._setups.add(setup)
        setup.add_done_callback(self._setups.discard)

    async def _set_up(self, connection: Connection, client: socket.socket) -> None:
        """Do the TLS handshake, if there is one; from then on the transport makes the calls."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, client, ssl=self._context)
        except OSError as error:
            # The client is at fault: it does not speak TLS, or was gone or too slow.
            log.debug("a connection was not set up: %s", error)
            connection.connection_lost(error)


@contextmanager
def beside(server: Server, sock: socket.socket) -> Iterator[None]:
    """Serve in a thread while the body runs."""
    thread = threading.Thread(target=server.run, args=(sock,), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(GRACE_S + 1)
        sock.close()


def serve_until_stopped(server: Server, sock: socket.socket) -> None:
    """Serve until `Server.stop`; requests in flight are answered first."""
    log.info("listening on port %d", sock.getsockname()[1])
    # A loop in the main thread would take over the descriptor that signals are written to.
    with ThreadPoolExecutor(1, thread_name_prefix="http") as pool:
        pool.submit(server.run, sock).result()
    log.info("stopped; every request in flight was answered")
