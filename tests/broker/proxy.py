"""A TCP proxy between clients and a broker, for the faults a network makes."""

import contextlib
import enum
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

END_TXN = 26
TXN_OFFSET_COMMIT = 28
ADD_OFFSETS_TO_TXN = 25
PRODUCE = 0
FETCH = 1


class Direction(enum.Enum):
    """Which way bytes go."""

    TO_BROKER = "to broker"
    TO_CLIENT = "to client"


class _Rule(NamedTuple):
    seconds: float = 0.0
    cut: bool = False
    then: Callable[[], None] | None = None
    """Called once the answer is with the client's socket."""


class Proxy:
    """Forwards every connection to one broker, frame by frame, until instructed otherwise.

    The broker must advertise `port`, or clients go round the proxy.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._lock = threading.Lock()
        self._flow = {d: threading.Event() for d in Direction}
        self._latency = dict.fromkeys(Direction, 0.0)
        self._rules: dict[int, list[_Rule]] = {}
        self._links: set[_Link] = set()
        self._down = False
        self.opened = 0
        """Number of connections so far."""
        self.met: dict[int, int] = {}
        """Number of answers of each API key that matched a rule."""
        for event in self._flow.values():
            event.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.cut()
        for event in self._flow.values():
            event.set()

    def cut(self) -> None:
        """Close every connection and each new one at once, until `heal`."""
        with self._lock:
            self._down = True
            links = list(self._links)
        for link in links:
            link.close()

    def hold(self, direction: Direction) -> None:
        """Let nothing more through this way; connections stay, bytes wait for `heal`."""
        self._flow[direction].clear()

    def delay(self, direction: Direction, seconds: float) -> None:
        """Let every frame this way wait."""
        self._latency[direction] = seconds

    def delay_answers(self, api_key: int, seconds: float, count: int = 1) -> None:
        """Let the next answers to this request wait, and those behind them on the connection."""
        self._add(api_key, _Rule(seconds=seconds), count)

    def cut_answers(self, api_key: int, count: int = 1) -> None:
        """Close the connection in place of the next answers: the request was done all the same."""
        self._add(api_key, _Rule(cut=True), count)

    def after_answer(self, api_key: int, then: Callable[[], None]) -> None:
        """Do something the moment after the next answer to this request went to its client."""
        self._add(api_key, _Rule(then=then), 1)

    def heal(self) -> None:
        """Forward everything again, at once."""
        with self._lock:
            self._down = False
            self._rules.clear()
        for direction in Direction:
            self._latency[direction] = 0.0
            self._flow[direction].set()

    def _add(self, api_key: int, rule: _Rule, count: int) -> None:
        with self._lock:
            self._rules.setdefault(api_key, []).extend([rule] * count)

    def rule_for(self, api_key: int) -> _Rule | None:
        with self._lock:
            waiting = self._rules.get(api_key)
            if not waiting:
                return None
            self.met[api_key] = self.met.get(api_key, 0) + 1
            return waiting.pop(0)

    def gate(self, direction: Direction) -> None:
        """Wait as long as this direction is held or slow."""
        if latency := self._latency[direction]:
            time.sleep(latency)
        self._flow[direction].wait()

    def drop(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open(client)

    def _open(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        broker.settimeout(None)
        link = _Link(self, client, broker)
        with self._lock:
            if not self._down:
                self._links.add(link)
                self.opened += 1
                link.start()
                return
        link.close()


class _Link:
    """One client connection and its connection to the broker."""

    def __init__(self, proxy: Proxy, client: socket.socket, broker: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._broker = broker
        self._asked: dict[int, int] = {}
        for end in (client, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for forward in (self._requests, self._answers):
            threading.Thread(target=self._run, args=(forward,), daemon=True).start()

    def close(self) -> None:
        self._proxy.drop(self)
        for end in (self._client, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _run(self, forward: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, EOFError):
            forward()
        self.close()

    def _requests(self) -> None:
        while True:
            frame = _frame(self._client)
            api_key, _, correlation = struct.unpack_from(">hhi", frame, 4)
            self._asked[correlation] = api_key
            self._proxy.gate(Direction.TO_BROKER)
            self._broker.sendall(frame)

    def _answers(self) -> None:
        while True:
            frame = _frame(self._broker)
            (correlation,) = struct.unpack_from(">i", frame, 4)
            rule = self._proxy.rule_for(self._asked.pop(correlation, -1))
            if rule is not None and rule.cut:
                return
            if rule is not None:
                time.sleep(rule.seconds)
            self._proxy.gate(Direction.TO_CLIENT)
            self._client.sendall(frame)
            if rule is not None and rule.then is not None:
                rule.then()


def _frame(end: socket.socket) -> bytes:
    head = _exactly(end, 4)
    (size,) = struct.unpack(">i", head)
    return head + _exactly(end, size)


def _exactly(end: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = end.recv(min(size - len(parts), 1 << 16))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
