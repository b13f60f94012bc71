"""Limits on what a client may send, how long it may take, and the number of clients."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from schemas import examples
from tests.http.running import Answer, Server, answer, head, running

pytestmark = pytest.mark.slow

BODY = json.dumps(examples.REAR_END).encode()
CONNECTIONS = 4
SECONDS = 1.0


@pytest.fixture(scope="module")
def narrow(model_dir: Path) -> Iterator[Server]:
    """A server that allows little."""
    settings = {"API_MAX_CONNECTIONS": str(CONNECTIONS), "API_REQUEST_TIMEOUT_S": str(SECONDS)}
    with running(model_dir, **settings) as found:
        yield found


@pytest.fixture(scope="module")
def crowded(model_dir: Path) -> Iterator[Server]:
    """A server that allows few connections, but leaves them their time."""
    with running(model_dir, API_MAX_CONNECTIONS=str(CONNECTIONS)) as found:
        yield found


def is_problem(found: Answer, status: int) -> None:
    assert found.status == status
    assert found.content_type == "application/problem+json"
    assert json.loads(found.body)["status"] == status


def exchange(server: Server, *parts: bytes) -> Answer:
    with server.connect() as sock:
        for part in parts:
            sock.sendall(part)
        return answer(sock)


def test_a_raw_request_is_answered(server: Server) -> None:
    assert exchange(server, head(BODY), BODY).status == 200


def test_headers_as_large_as_allowed(server: Server) -> None:
    assert exchange(server, head(BODY, X_Long="x" * 16_000), BODY).status == 200


@pytest.mark.parametrize("name", ["X_Long", "Cookie"])
def test_headers_too_large(server: Server, name: str) -> None:
    found = exchange(server, head(BODY, **{name: "x" * 16_500}), BODY)
    is_problem(found, 431)
    assert found.closes


def test_a_request_line_too_long(server: Server) -> None:
    line = b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n"
    is_problem(exchange(server, line), 431)


def test_a_header_without_end(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX-Endless: ")
        for _ in range(17):
            sock.sendall(b"x" * 1_000)
            time.sleep(0.002)  # in separate packets
        is_problem(answer(sock), 431)


def test_a_second_request_may_have_headers_of_its_own(server: Server) -> None:
    # The size of one request's headers does not count for the next.
    request = head(BODY, X_Long="x" * 9_000) + BODY
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(request)
            assert answer(sock).status == 200


def test_pipelined_requests_are_all_answered(server: Server) -> None:
    received = b""
    with server.connect() as sock:
        sock.sendall((head(BODY) + BODY) * 3)
        while received.count(b"fraud_probability") < 3:
            part = sock.recv(65_536)
            assert part, received
            received += part
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_what_is_no_http(server: Server) -> None:
    is_problem(exchange(server, b"\x16\x03\x01 hello\r\n\r\n"), 400)


def test_a_body_that_stops_arriving(narrow: Server) -> None:
    found = exchange(narrow, head(BODY), BODY[:20])
    is_problem(found, 408)
    assert found.closes


def test_a_head_that_stops_arriving(narrow: Server) -> None:
    is_problem(exchange(narrow, head(BODY)[:40]), 408)


def test_a_head_that_trickles(narrow: Server) -> None:
    """Each byte is in time, the whole is not."""
    with narrow.connect() as sock:
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 200:
                sock.sendall(bytes([byte]))
                time.sleep(0.02)
        is_problem(answer(sock), 408)


def test_a_connection_that_says_nothing_is_closed(narrow: Server) -> None:
    with narrow.connect() as sock:
        assert sock.recv(1) == b""


def test_a_slow_second_request_is_refused_too(narrow: Server) -> None:
    with narrow.connect() as sock:
        sock.sendall(head(BODY) + BODY)
        assert answer(sock).status == 200
        sock.sendall(head(BODY) + BODY[:5])
        is_problem(answer(sock), 408)


def test_the_rest_of_a_refused_body_is_not_awaited_for_ever(narrow: Server) -> None:
    with narrow.connect() as sock:
        sock.sendall(head(BODY * 1_400) + BODY)  # its length alone is too much
        is_problem(answer(sock), 413)
        assert sock.recv(1) == b""


def test_too_many_connections_are_503_but_for_the_probes(crowded: Server) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(CONNECTIONS):
            sock = held.enter_context(crowded.connect())
            sock.sendall(head(BODY) + BODY)
            assert answer(sock).status == 200
        found = exchange(crowded, head(BODY), BODY)
        is_problem(found, 503)
        assert found.closes
        assert httpx.get(f"{crowded.url}/healthz").status_code == 200
        assert httpx.get(f"{crowded.url}/metrics").status_code == 503
    after = httpx.post(f"{crowded.url}/fraud-detection", json=examples.REAR_END)
    assert after.status_code == 200


def test_refusals_are_counted(narrow: Server) -> None:
    is_problem(exchange(narrow, head(BODY), BODY[:20]), 408)
    metrics = httpx.get(f"{narrow.url}/metrics").text
    assert 'fraud_scorer_http_requests_total{status="408"}' in metrics
