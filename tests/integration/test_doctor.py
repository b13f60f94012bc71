"""``python -m consumer doctor`` on a real Kafka: what it says, and its exit code."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.__main__ import main
from consumer.background import in_background
from tests.broker import ports, topics, wait
from tests.harness.root_logger import same_afterwards
from tests.integration.stage import Stage
from tests.integration.traffic import good

pytestmark = pytest.mark.kafka

Findings = dict[str, dict[str, Any]]


class Doctor:
    """Runs the command in this process."""

    def __init__(self, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
        self._stage, self._capsys = stage, capsys

    def text(self, *arguments: str, **changes: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch, same_afterwards():
            for name in [n for n in os.environ if n.startswith("KAFKA_")]:
                patch.delenv(name)
            for name, value in {**self._stage.environ, "API_PORT": "0", **changes}.items():
                patch.setenv(name, value)
            code = main(["doctor", *arguments])
        return code, self._capsys.readouterr().out

    def findings(self, **changes: str) -> tuple[int, Findings]:
        code, out = self.text("--json", **changes)
        found = [json.loads(line) for line in out.splitlines()]
        return code, {finding["check"]: finding for finding in found}


@pytest.fixture
def doctor(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(stage, capsys)


def test_a_healthy_stage_with_a_worker(stage: Stage, doctor: Doctor) -> None:
    stage.send([*good(20)])
    worker = stage.worker().ready()
    stage.wait_drained()
    code, found = doctor.findings(METRICS_PORT=str(worker.port))
    # One node: whatever is on it has one replica, and the version matters.
    assert code == 1
    assert {f["state"] for f in found.values()} == {"ok", "warning", "unknown"}
    internal = {"__consumer_offsets", "__transaction_state"}
    outcomes = stage.environ["OUTCOMES_TOPIC"], stage.environ["OUTCOMES_DEAD_LETTER_TOPIC"]
    own = {stage.claims, stage.alerts, stage.dead, *outcomes}
    warned = {check for check, f in found.items() if f["state"] == "warning"}
    assert warned == {"broker version", *own, *internal}
    unknown = {check for check, f in found.items() if f["state"] == "unknown"}
    assert unknown == {"transactional id rights", "clock"}
    assert found[stage.claims]["text"].startswith("4 partitions, replication 1, min.insync 1")
    assert stage.bootstrap in found["brokers"]["text"]
    assert f"{stage.group}-w1" in found[f"group {stage.group}"]["text"]
    assert "classic, range, stable" in found[f"group {stage.group}"]["text"]
    assert found["progress"]["text"] == "0 claims behind, 0 of 4 partitions without an owner"
    assert "answers /healthz" in found["METRICS_PORT"]["text"]
    assert worker.stop() == 0


def test_lines_for_people(stage: Stage, doctor: Doctor) -> None:
    code, out = doctor.text()
    assert code == 1
    assert f"warning  {stage.claims}: 4 partitions, replication 1, min.insync 1: " in out
    assert f"ok       {stage.claims} rights: allowed: Read\n" in out
    assert f"ok       group {stage.group}: " in out


@pytest.mark.parametrize("setting", ["CLAIMS_TOPIC", "ALERTS_TOPIC", "DEAD_LETTER_TOPIC"])
def test_a_missing_topic(doctor: Doctor, setting: str) -> None:
    code, found = doctor.findings(API_FORWARD="claims", **{setting: "nowhere"})
    assert code == 4
    assert (found["API_FORWARD"]["state"] == "wrong") == (setting == "CLAIMS_TOPIC")
    assert found["nowhere"]["state"] == "wrong"
    assert "topic nowhere does not exist" in found["nowhere"]["text"]
    assert "python -m consumer topics" in found["nowhere"]["advice"]


def test_forwarding_is_checked_where_it_is_used(stage: Stage, doctor: Doctor) -> None:
    assert "API_FORWARD" not in doctor.findings()[1]
    code, found = doctor.findings(API_FORWARD="claims")
    assert code == 1
    assert found["API_FORWARD"]["state"] == "ok"
    assert found["API_FORWARD"]["text"] == f"topic {stage.claims}, allowed: Write"


def test_a_broken_model(doctor: Doctor, tmp_path: Path) -> None:
    code, found = doctor.findings(MODEL_DIR=str(tmp_path / "none"))
    assert code == 3
    assert found["model"]["state"] == "wrong"
    assert f"MODEL_DIR={tmp_path / 'none'}" in found["model"]["text"]
    assert found["brokers"]["state"] == "ok"


def test_kafka_is_not_reachable(doctor: Doctor) -> None:
    (port,) = ports.free_ports(1)
    code, found = doctor.findings(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
    assert code == 4
    assert found["brokers"]["state"] == "wrong"
    assert f"127.0.0.1:{port}" in found["brokers"]["text"]
    assert "refused" in found["brokers"]["text"]


def test_a_setting_that_the_client_refuses(doctor: Doctor) -> None:
    code, found = doctor.findings(KAFKA_NO_SUCH_THING="1")
    assert code == 2
    assert "KAFKA_NO_SUCH_THING" in found["kafka client"]["text"]


def test_claims_that_nobody_reads(stage: Stage, doctor: Doctor) -> None:
    sent = stage.send([*good(20)])
    code, found = doctor.findings()
    assert code == 1
    assert found["progress"]["state"] == "warning"
    assert found["progress"]["text"].startswith(f"{sent} claims behind, 4 of 4 partitions")


def test_a_transaction_that_stays_open(stage: Stage, doctor: Doctor) -> None:
    producer = Producer(
        {"bootstrap.servers": stage.bootstrap, "transactional.id": topics.fresh_name()}
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(stage.alerts, b"open", partition=2)
    assert producer.flush(60) == 0
    wait.until(lambda: stage.published() == 1, "the record")
    _, found = doctor.findings()
    assert found["open transactions"]["state"] == "warning"
    assert f"{stage.alerts}[2]@0" in found["open transactions"]["text"]
    producer.abort_transaction(60)
    wait.until(
        lambda: doctor.findings()[1]["open transactions"]["state"] == "ok", "the transaction's end"
    )


@pytest.mark.parametrize(("off_s", "said"), [(60, "ahead of"), (-60, "behind")])
def test_a_clock_that_differs(stage: Stage, doctor: Doctor, off_s: int, said: str) -> None:
    """That of the process which writes the alerts, seen from here."""
    ended = threading.Event()

    def write() -> None:
        producer = Producer({"bootstrap.servers": stage.bootstrap})
        while not ended.wait(0.05):
            at_ms = int((time.time() + off_s) * 1_000)
            producer.produce(stage.alerts, b"x", timestamp=at_ms)
            producer.flush()

    with in_background(write, "another clock", ended):
        _, found = doctor.findings()
    assert found["clock"]["state"] == "warning"
    assert f"records are {said} this machine's clock: {stage.alerts} by" in found["clock"]["text"]


def test_settings_of_topics(stage: Stage, doctor: Doctor) -> None:
    name = topics.fresh_name("compacted")
    topics.create(stage.bootstrap, name, 1, {"cleanup.policy": "compact"})
    _, found = doctor.findings(ALERTS_TOPIC=name)
    assert found[f"{name} retention"]["state"] == "wrong"
    assert found["max.message.bytes"]["state"] == "warning"
    assert name in found["max.message.bytes"]["text"]


def test_nothing_is_changed(stage: Stage, doctor: Doctor) -> None:
    stage.send([*good(20)])
    worker = stage.worker().ready()
    stage.wait_drained()
    before = stage.committed(), stage.published()
    doctor.findings(METRICS_PORT=str(worker.port))
    stage.send([*good(20)])
    stage.wait_drained()  # the worker still runs: it was not fenced
    assert sum(stage.committed().values()) > sum(before[0].values())
    assert worker.stop() == 0
