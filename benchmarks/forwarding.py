"""What API_FORWARD=claims adds to a POST: two endpoints, asked alternately, one with a real Kafka.

`python -m benchmarks.forwarding`: one connection to each, so one request at a time; both see the
machine in the same state, so the ratio is more stable than the times.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from tests.broker import topics
from tests.broker.native import NativeKafka
from tests.harness.small_model import train_small
from tests.http.running import running

CLAIM: Final = (
    b'{"claim_id": "c-1", "claim_amount": 700, "loss_date": "2026-03-01", '
    b'"report_date": "2026-04-15"}'
)
ARRAY: Final = b"[" + b",".join([CLAIM] * 100) + b"]"
ROUNDS: Final = 3
WARM_UP: Final = 50


def post(client: httpx.Client, body: bytes) -> float:
    """Milliseconds until the answer arrives."""
    begin = time.perf_counter()
    answer = client.post("/fraud-detection", content=body)
    taken = (time.perf_counter() - begin) * 1e3
    assert answer.status_code == 200, answer.text
    return taken


def measured(clients: Sequence[httpx.Client], body: bytes, requests: int) -> str:
    """A line: percentiles without and with forwarding, and the ratios of the two."""
    found: tuple[list[float], ...] = ([], [])
    for number in range(WARM_UP + requests):
        for which in (0, 1) if number % 2 else (1, 0):
            taken = post(clients[which], body)
            if number >= WARM_UP:
                found[which].append(taken)
    off, on = (statistics.quantiles(times, n=100) for times in found)
    parts = (
        f"p{p} {off[p - 1]:.2f} -> {on[p - 1]:.2f} ms ({on[p - 1] / off[p - 1]:.2f})"
        for p in (50, 90, 99)
    )
    return ", ".join(parts)


def main() -> None:
    """Measure a claim and an array of 100, in rounds."""
    with NativeKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        train_small(model)
        topics.create(kafka.bootstrap, "claims", 4)
        forward = {"API_FORWARD": "claims", "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
        with (
            running(model) as off,
            running(model, **forward) as on,
            httpx.Client(base_url=off.url, timeout=60) as plain,
            httpx.Client(base_url=on.url, timeout=60) as forwarding,
        ):
            clients = plain, forwarding
            for client in clients:
                client.headers["content-type"] = "application/json"
            for name, body, requests in (("one claim", CLAIM, 600), ("array of 100", ARRAY, 100)):
                for _ in range(ROUNDS):
                    print(f"{name}: {measured(clients, body, requests)}", flush=True)
            on.stop()
            off.stop()


if __name__ == "__main__":
    main()
