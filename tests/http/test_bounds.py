"""Everything a client could do without end has one, over real sockets."""

import contextlib
import gc
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from consumer.server.connection import Connection
from consumer.server.exchange import Exchange
from consumer.server.limits import Limits
from consumer.server.listen import everywhere, listen, tls
from consumer.server.parsing import RequestParser
from consumer.server.server import Server, beside
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.api import scoring_app
from tests.consumer.fakes import FakeScorer
from tests.http.running import Answer, answer, head
from tests.http.test_access import self_signed

pytestmark = pytest.mark.slow

TOKEN = "a-token-nobody-would-guess"
BODY = b'{"claim_id": "c1"}'
GET = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
NEVER = 600.0


class Bounded(NamedTuple):
    port: int
    metrics: ServingMetrics

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, request: bytes) -> Answer:
        with self.connect() as sock:
            sock.sendall(request)
            return answer(sock)

    def counted(self, status: int) -> float:
        labels = {"status": str(status)}
        value = self.metrics.registry.get_sample_value("fraud_scorer_http_requests_total", labels)
        return value or 0.0


@contextlib.contextmanager
def bounded(
    limits: Limits, token: str | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Bounded]:
    metrics, health = ServingMetrics(), Health()
    app = scoring_app(FakeScorer, metrics, health, token)
    sock = listen("127.0.0.1", 0, "API_PORT")
    # Small, so that little of what a client does not read is out of the server's sight.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    port = sock.getsockname()[1]
    with beside(Server(app, limits, metrics.answered, context), sock):
        yield Bounded(port, metrics)


def until(done: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def is_problem(found: Answer, status: int) -> None:
    assert found.status == status
    assert found.content_type == "application/problem+json"
    assert json.loads(found.body)["status"] == status


def test_endless_trailers_are_refused() -> None:
    begun = b"POST /fraud-detection HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for line in (b"X-Trailer: y\r\n", b"x"):
        with bounded(Limits(seconds=NEVER)) as server, server.connect() as sock:
            sock.sendall(begun + b"0\r\nX: ")
            with contextlib.suppress(ConnectionError):
                for _ in range(1_000):
                    sock.sendall(line * 100)
            # Closed, with the answer or, if the flood went on, without it; no timeout is near.
            until(lambda: server.counted(431) == 1, "the trailers are read for ever")


def test_credentials_and_media_type_are_not_taken_from_trailers() -> None:
    chunked = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    begun = b"POST /fraud-detection HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    kind, bearer = b"Content-Type: application/json\r\n", f"Authorization: Bearer {TOKEN}\r\n"
    with bounded(Limits(), TOKEN) as server:
        access = bearer.encode()
        assert server.ask(begun + kind + access + b"\r\n" + chunked + b"\r\n").status == 200
        assert server.ask(begun + kind + b"\r\n" + chunked + access + b"\r\n").status == 401
        assert server.ask(begun + access + b"\r\n" + chunked + kind + b"\r\n").status == 415


def test_too_many_headers() -> None:
    with bounded(Limits(headers=20)) as server:
        lines = b"A: b\r\n"
        assert server.ask(PROBE[:-2] + lines * 19 + b"\r\n").status == 200
        is_problem(server.ask(PROBE[:-2] + lines * 20 + b"\r\n"), 431)


def test_bodies_in_flight_are_bounded_over_all_connections() -> None:
    part = b"x" * 900
    with bounded(Limits(body_bytes=2_000, seconds=NEVER)) as server:
        with server.connect() as first, server.connect() as second:
            for sock in (first, second):
                sock.sendall(head(part + part) + part)
            third = server.ask(head(part + part) + part)
            is_problem(third, 503)
            assert third.closes
            # Those who came first are served, and probes are.
            assert server.ask(PROBE).status == 200
            first.sendall(part[:100] + b" " * 800)
            assert answer(first).status == 503  # its rest has no room either
        # What was answered or has gone counts no more.
        until(
            lambda: server.ask(head(part + part) + part + part).status == 400, "the budget is gone"
        )


def test_clients_that_never_read_lose_their_place() -> None:
    with contextlib.ExitStack() as held, bounded(Limits(connections=2, seconds=0.5)) as server:
        for _ in range(2):
            sock = held.enter_context(server.connect())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(100_000):
                    sock.sendall(GET * 8)
        until(lambda: server.ask(GET).status == 200, "503 for as long as they like")


def test_responses_that_nobody_reads_are_bounded() -> None:
    """Those who stalled first lose their connections; whoever reads is answered all the same."""
    limits = Limits(seconds=NEVER, silent_seconds=NEVER, unread_bytes=500_000)
    with contextlib.ExitStack() as held, bounded(limits) as server:
        stalled = []
        for _ in range(20):
            stalled.append(held.enter_context(small_window(server)))
            stalled[-1].sendall(GET * 16)
            assert server.ask(GET).status == 200
        *first, last = stalled
        assert answers_left(last) == 16
        assert sum(answers_left(sock) < 16 for sock in first) >= 10


def answers_left(sock: socket.socket) -> int:
    """How many of 16 responses still come."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while received.count(b"HTTP/1.1 200 OK") < 16 or not received.endswith(b"}\n"):
            part = sock.recv(65_536)
            if not part:
                break
            received += part
    return received.count(b"HTTP/1.1 200 OK")


def small_window(server: Bounded) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", server.port))
    return sock


def test_silent_connections_give_way() -> None:
    limits = Limits(connections=8, spare=8, seconds=NEVER, silent_seconds=NEVER)
    with contextlib.ExitStack() as held, bounded(limits) as server:
        for _ in range(200):
            held.enter_context(server.connect())
            assert server.ask(PROBE).status == 200
        until(lambda: server.ask(GET).status == 200, "silent connections keep everybody out")


def test_connections_that_work_do_not_give_way_to_silent_ones() -> None:
    limits = Limits(connections=4, spare=4, seconds=NEVER, silent_seconds=NEVER)
    with contextlib.ExitStack() as held, bounded(limits) as server:
        working = held.enter_context(server.connect())
        for _ in range(50):
            working.sendall(PROBE)
            assert answer(working).status == 200
            held.enter_context(server.connect())


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_half_a_handshake_is_not_awaited(tmp_path: Path, hello: bytes) -> None:
    pair = self_signed(tmp_path)
    limits = Limits(seconds=NEVER, silent_seconds=0.3)
    with bounded(limits, context=tls(*pair)) as server, server.connect() as sock:
        sock.sendall(hello)
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""


def test_unfinished_handshakes_give_way(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    limits = Limits(connections=4, spare=4, seconds=NEVER, silent_seconds=NEVER)
    with contextlib.ExitStack() as held, bounded(limits, context=tls(*pair)) as server:
        oldest = held.enter_context(server.connect())
        for _ in range(40):
            held.enter_context(server.connect()).sendall(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionError):
            assert oldest.recv(1) == b""
        context = ssl.create_default_context(cafile=str(pair.certificate))
        url = f"https://127.0.0.1:{server.port}/healthz"
        assert httpx.get(url, verify=context, timeout=60).status_code == 200


@pytest.mark.parametrize("secure", [False, True])
def test_a_slow_reader_gets_everything(tmp_path: Path, secure: bool) -> None:
    """Reading stops while a client does not read its responses, and continues when it does."""
    pair = self_signed(tmp_path)
    limits = Limits(seconds=NEVER, silent_seconds=NEVER)
    with bounded(limits, context=tls(*pair) if secure else None) as server:
        sock = server.connect()
        if secure:
            context = ssl.create_default_context(cafile=str(pair.certificate))
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        with sock:
            for _ in range(4):
                sock.sendall(GET * 16)
                received = b""
                while received.count(b"HTTP/1.1 200 OK") < 16 or not received.endswith(b"}\n"):
                    part = sock.recv(65_536)
                    assert part, "closed before everything was answered"
                    received += part


def test_pipelining_has_a_depth() -> None:
    with bounded(Limits(pipelined=3)) as server, server.connect() as sock:
        sock.sendall(PROBE * 5)
        received = b""
        while part := sock.recv(65_536):
            received += part
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"HTTP/1.1 503 ") == 1
    assert server.counted(503) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), (b"GET / HTTP/1.1\r\n\r\n", 400)],
)
def test_what_the_server_refuses_is_a_problem_and_counted(
    request_bytes: bytes, status: int
) -> None:
    with bounded(Limits()) as server:
        is_problem(server.ask(request_bytes), status)
        assert server.counted(status) == 1


def test_an_app_that_raises_is_a_500_and_counted() -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise LookupError("a secret")

    counted: list[int] = []
    sock = listen("127.0.0.1", 0, "API_PORT")
    with beside(Server(broken, refused=counted.append), sock):
        found = Bounded(sock.getsockname()[1], ServingMetrics()).ask(PROBE)
    is_problem(found, 500)
    assert b"secret" not in found.body
    assert counted == [500]


def test_a_client_may_wait_until_it_is_asked_for_the_body() -> None:
    with bounded(Limits()) as server, server.connect() as sock:
        sock.sendall(head(BODY, Expect="100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(BODY)
        assert answer(sock).status == 200


def test_a_client_may_stop_sending_and_still_read() -> None:
    with bounded(Limits()) as server, server.connect() as sock:
        sock.sendall(head(BODY) + BODY)
        sock.shutdown(socket.SHUT_WR)
        assert answer(sock).status == 200


def answers_at(host: str, sock: socket.socket) -> bool:
    """True if the port answers at this address of the host."""
    port = sock.getsockname()[1]
    address = f"[{host}]" if ":" in host else host
    try:
        return httpx.get(f"http://{address}:{port}/healthz", timeout=60).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize(
    ("host", "four", "six"),
    [
        ("127.0.0.1", True, False),
        ("0.0.0.0", True, False),
        ("localhost", True, False),
        ("::1", False, True),
        ("[::1]", False, True),
        ("::", True, True),
        (everywhere(), True, True),
    ],
)
def test_addresses_of_both_families(host: str, four: bool, six: bool) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("IPv6 is not tried: this host has none")
    health = Health()
    app = scoring_app(FakeScorer, ServingMetrics(), health)
    sock = listen(host, 0, "API_PORT")
    with beside(Server(app), sock):
        assert (answers_at("127.0.0.1", sock), answers_at("::1", sock)) == (four, six)


def kept() -> list[object]:
    """What holds something that was received, or over TLS the buffers of its transport."""
    return [o for o in gc.get_objects() if isinstance(o, Connection | Exchange | RequestParser)]


def whole(body: bytes, **headers: str) -> bytes:
    return head(body, **headers) + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (whole(BODY, Connection="close"), 200),
        (whole(b"[" + BODY * 2), 400),
        (whole(BODY).replace(b"application/json", b"text/plain"), 415),
        (whole(b"[" + b" " * 20_000_000), 413),
        (whole(b"[" + b" " * 900_000)[:-1], None),
        (whole(BODY) * 20, None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y", None),
        (b"x" * 100, 400),
    ],
    ids=["answered", "bad", "early", "large", "cut", "pipelined", "half-a-head", "no-http"],
)
@pytest.mark.parametrize("secure", [False, True])
def test_nothing_of_a_connection_waits_for_the_garbage_collector(
    sent: bytes, status: int | None, secure: bool, tmp_path: Path
) -> None:
    """Full collections are rare in a process that allocates little, and bodies are large."""
    context, client = None, None
    if secure:
        certificate, key = self_signed(tmp_path)
        context, client = tls(certificate, key), ssl.create_default_context()
        client.load_verify_locations(certificate)

    with bounded(Limits(), context=context) as server:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                sock = server.connect()
                if client is not None:
                    sock = client.wrap_socket(sock, server_hostname="localhost")
                with sock, contextlib.suppress(ConnectionError):
                    sock.sendall(sent)
                    if status is not None:
                        assert answer(sock).status == status
            until(lambda: not kept(), "what a connection received is kept")
        finally:
            gc.enable()


def test_nothing_of_a_failed_handshake_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with bounded(Limits(), context=tls(certificate, key)) as server:
        gc.collect()
        gc.disable()
        try:
            for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b""):
                with server.connect() as sock:
                    sock.sendall(sent)
            until(lambda: not kept(), "what a connection received is kept")
        finally:
            gc.enable()
