"""Own claims of a file, sent to the topic and scored by a worker with the contract of its model."""

import datetime as dt
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from consumer.batch.process import process
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load_by_contract
from model.samples import health
from model.scoring.load import load
from model.thresholds import Top
from model.training.train import train, write
from schemas.contract.parse import shipped
from tests.broker import topics, wait
from tests.broker.read import read_all
from tests.harness.kafka import FakeMessage
from tests.harness.once import once
from tests.integration.stage import Stage

pytestmark = pytest.mark.kafka

EVENTS = health.generate(600, 7)


def _train(folder: Path) -> None:
    file = folder.with_suffix(".jsonl")
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS))
    claims = load_by_contract(str(file), shipped("health"))
    plan = SplitPlan(kind="random", test_size=0.2, seed=42)
    trained = train(claims, "gradient_boosting", plan, policy=Top(0.1))
    write(trained, folder, created_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))


@pytest.fixture
def health_stage(
    kafka: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    stage = Stage(kafka, tmp_path, once(tmp_path_factory, "health-model", _train), 2)
    yield stage
    stage.close()


@pytest.mark.parametrize(("most", "code"), [(2_000, 0), (100, 4)])
def test_a_topic_that_does_not_take_claims_together_takes_them_alone(
    health_stage: Stage, tmp_path: Path, most: int, code: int
) -> None:
    stage, file = health_stage, tmp_path / "events.jsonl"
    name = topics.fresh_name("small")
    topics.create(stage.bootstrap, name, 1, {"max.message.bytes": str(most)})
    stage.environ["CLAIMS_TOPIC"] = name
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS[:100]))
    sending = stage.command("send", "--data", str(file), "--model", stage.environ["MODEL_DIR"])
    assert sending.wait() == code
    records = read_all(stage.bootstrap, name)
    sent = [msgspec.json.decode(record.value or b"")["claim"]["number"] for record in records]
    if code:
        assert "claim 1 of those sent has" in sending.log
        assert "max.message.bytes" in sending.log
        assert not sent
    else:
        assert sent == [event["claim"]["number"] for event in EVENTS[:100]]


def test_claims_are_sent_and_scored_under_the_contract_of_the_model(
    health_stage: Stage, tmp_path: Path
) -> None:
    stage, file = health_stage, tmp_path / "events.jsonl"
    bad = b'{"claim": {"number": 7, "billed": "much"}}\n'
    lines = [msgspec.json.encode(event) + b"\n" for event in EVENTS]
    file.write_bytes(b"".join([*lines[:100], bad, *lines[100:]]))
    given = ("--data", str(file), "--model", stage.environ["MODEL_DIR"])
    sending = stage.command("send", *given)
    assert sending.wait() == 1
    assert f"600 claims sent to {stage.claims}, 1 rows rejected" in sending.log
    assert "rejected: events.jsonl, line 101: column $.claim." in sending.log
    records = read_all(stage.bootstrap, stage.claims)
    keys = {event["claim"]["number"]: event.get("member", {}).get("id") for event in EVENTS}
    for record in records:
        event = msgspec.json.decode(record.value or b"")
        number = event["claim"]["number"]
        assert (record.key or b"").decode() == (keys[number] or number)
        assert "result" not in event.get("review", {})
    stage.worker().ready()
    wait.until(lambda: stage.published() >= len(EVENTS), "alerts of all")
    alerts = [msgspec.json.decode(r.value or b"") for r in read_all(stage.bootstrap, stage.alerts)]
    scorer = load(stage.environ["MODEL_DIR"])
    messages = [FakeMessage(line) for line in lines]
    made = process(messages, scorer, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)).alerts
    wanted = [msgspec.json.decode(record.value or b"") for record in made]
    names = ("claim_id", "policy_number", "fraud_probability", "decision", "reasons")
    assert sorted(tuple(map(str, (a[n] for n in names))) for a in alerts) == sorted(
        tuple(map(str, (a[n] for n in names))) for a in wanted
    )
    assert not read_all(stage.bootstrap, stage.dead)


def test_a_signal_flushes_and_says_how_many_were_sent(health_stage: Stage, tmp_path: Path) -> None:
    stage, file = health_stage, tmp_path / "events.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS))
    sending = stage.command("send", "--data", str(file), "--contract", "health", "--rate", "20")
    wait.until(lambda: sending.check() and bool(stage.claim_ends()), "the first claims")
    assert sending.stop(signal.SIGINT) == 130
    sent = sum(stage.claim_ends().values())
    assert 0 < sent < len(EVENTS)
    assert f"{sent} claims sent to {stage.claims}, 0 rows rejected" in sending.log
    assert "stopped by a signal before the end of the file" in sending.log


def test_a_signal_ends_it_though_no_row_is_a_claim(health_stage: Stage, tmp_path: Path) -> None:
    stage, file = health_stage, tmp_path / "events.jsonl"
    file.write_bytes(b"{}\n" * 5_000_000)
    sending = stage.command("send", "--data", str(file), "--contract", "health")
    wait.until(lambda: sending.check() and ", line 20" in sending.log, "the first rows")
    assert sending.stop(signal.SIGTERM) == 143
    assert "stopped by a signal before the end of the file" in sending.log
