"""The compose stack for real: claims in, alerts out, more workers, a killed one, down and up."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from tests.broker import jars, wait
from tests.broker.read import read_all
from tests.deploy import processes
from tests.deploy.stack import Stack, docker, inspect, stack
from tests.deploy.tools import need_docker, need_images

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

BROKEN_EVERY = 50


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    need_docker()
    need_images("python:3.13-slim", f"apache/kafka:{jars.DEFAULT}", "prom/prometheus:v3.5.0")
    with stack() as made:
        yield made


def send(running: Stack, claims: int) -> None:
    """Claims from the generator, as `make claims` sends them."""
    running.run(
        "generator", "consumer", "generate", "--rate", "0",
        "--claims", str(claims), "--broken-every", str(BROKEN_EVERY),
    )  # fmt: skip


def outcomes(running: Stack) -> tuple[Counter[bytes], Counter[bytes]]:
    """Keys of all claims, and of all alerts and dead letters."""
    claims = Counter(row.key or b"" for row in read_all(running.kafka, "claims"))
    results = Counter(
        row.key or b""
        for topic in ("fraud-alerts", "claims-dead-letter")
        for row in read_all(running.kafka, topic)
    )
    return claims, results


def settled(running: Stack) -> Counter[bytes]:
    """Wait until every claim has its outcome; the outcomes by key."""

    def found() -> Counter[bytes] | None:
        claims, results = outcomes(running)
        return results if len(results) >= len(claims) else None

    return wait.until(found, "an outcome of every claim")


def exactly_once(running: Stack) -> bool:
    results = settled(running)
    return outcomes(running)[0] == results and set(results.values()) == {1}


def shares(running: Stack) -> list[int]:
    """Partitions of each worker that answers Prometheus."""
    rows = running.query('fraud_scorer_assigned_partitions{job="fraud-scorer-worker"}')
    return sorted(int(row["value"][1]) for row in rows)


def test_claims_become_alerts_and_dead_letters(running: Stack) -> None:
    send(running, 1_000)
    assert exactly_once(running)
    refused = read_all(running.kafka, "claims-dead-letter")
    assert len(refused) == 1_000 // BROKEN_EVERY


def test_prometheus_sees_them(running: Stack) -> None:
    def scored() -> bool:
        rows = running.query('sum(fraud_scorer_claims_consumed_total{job="fraud-scorer-worker"})')
        return bool(rows) and int(rows[0]["value"][1]) >= 1_000

    assert wait.until(scored, "1,000 claims in Prometheus")
    assert wait.until(lambda: running.query("fraud_scorer:claims_consumed:rate5m"), "the rules")


def test_a_claim_is_scored_over_http(running: Stack) -> None:
    answer = msgspec.json.decode(
        processes.post(f"{running.api}/fraud-detection", b'{"claim_id": "c-1"}')
    )
    assert set(answer) == {"fraudulent", "fraud_probability"}
    assert processes.get(f"{running.api}/healthz") == b"ok"


def test_nothing_runs_with_more_than_it_needs(running: Stack) -> None:
    for container in running.compose("ps", "--quiet").split():
        found = inspect(container)
        host, name = found["HostConfig"], found["Config"]["Labels"]["com.docker.compose.service"]
        assert host["CapDrop"] == ["ALL"], name
        assert host["CapAdd"] is None, name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert found["Config"]["User"] not in {"", "0", "root"}, name
        assert host["ReadonlyRootfs"] is (name != "kafka"), name


def test_three_workers_share_the_partitions(running: Stack) -> None:
    running.up(workers=3)
    assert wait.until(lambda: shares(running) == [2, 2, 2], "two partitions for each worker")
    send(running, 1_000)
    assert exactly_once(running)


def test_a_killed_worker_comes_back_as_itself(running: Stack) -> None:
    victim = running.workers()[0]
    name = inspect(victim)["Config"]["Hostname"]
    docker("kill", "--signal", "KILL", victim)
    send(running, 2_000)
    docker("start", victim)
    assert exactly_once(running)
    assert inspect(victim)["Config"]["Hostname"] == name
    assert wait.until(lambda: shares(running) == [2, 2, 2], "two partitions for each worker")


def test_down_and_up_lose_nothing(running: Stack) -> None:
    send(running, 2_000)
    running.compose("down", "--timeout", "60")
    running.up(workers=2)
    send(running, 500)
    assert exactly_once(running)
    assert len(settled(running)) == 6_500
