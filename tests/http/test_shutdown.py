"""Stopping: requests in flight are answered, and the process ends cleanly."""

import json
import signal
from pathlib import Path

import httpx
import pytest

from schemas import examples
from tests.http.running import answer, head, running

BODY = json.dumps(examples.REAR_END).encode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered(model_dir: Path, number: signal.Signals) -> None:
    with running(model_dir) as server:
        with server.connect() as idle, server.connect() as busy:
            idle.sendall(head(BODY) + BODY)
            assert answer(idle).status == 200
            busy.sendall(head(BODY) + BODY[:100])
            assert answer_of_probe(server.port) == 200  # so the head above has been read
            server.process.send_signal(number)
            assert idle.recv(1) == b""  # closed at once: it had nothing in flight
            busy.sendall(BODY[100:])
            found = answer(busy)
            assert found.status == 200
            assert "fraud_probability" in json.loads(found.body)
            assert found.closes
        assert server.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert "Traceback" not in server.log
        assert "stopped" in server.log


def answer_of_probe(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code


@pytest.mark.slow
def test_an_idle_server_stops(model_dir: Path) -> None:
    with running(model_dir) as server:
        assert server.stop() == 0
