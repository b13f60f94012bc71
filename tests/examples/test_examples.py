"""The programs in examples/ do what they say."""

import datetime as dt
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from examples.case_service import (
    TABLE,
    NoSuchCaseError,
    close_case,
    occasion_of,
    open_cases,
    send_outcomes,
    serve,
)
from examples.send_claims import send
from examples.train_model import improve
from model.datasets.dataset import load, write_jsonl
from schemas import examples as documented
from schemas.alert import Decision, FraudAlert
from schemas.outcome import Finding, FraudOutcome, Occasion
from tests.broker import wait
from tests.broker.read import read_all
from tests.broker.topics import fresh_name
from tests.conftest import NewTopic
from tests.harness.process import ROOT
from tests.harness.small_model import train_small
from tests.integration.outcomes import read
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import Row, good, produce

REFERRED = msgspec.convert(documented.REFERRED, FraudAlert)
NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def cases(database: sqlite3.Connection) -> list[tuple[str, str | None]]:
    return database.execute("select alert_id, superseded_by from cases order by rowid").fetchall()


@pytest.fixture
def database() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute(TABLE)
    return made


def test_an_alert_that_is_read_twice_opens_one_case(database: sqlite3.Connection) -> None:
    passed = msgspec.structs.replace(REFERRED, alert_id="a", decision=Decision.PASS)
    assert open_cases(database, [REFERRED, passed, REFERRED]) == 1
    assert open_cases(database, [REFERRED]) == 0
    assert cases(database) == [(REFERRED.alert_id, None)]


def test_an_alert_replaces_only_one_on_the_same_claim(database: sqlite3.Connection) -> None:
    again = msgspec.structs.replace(REFERRED, alert_id="b", supersedes=REFERRED.alert_id)
    other = msgspec.structs.replace(again, alert_id="c", claim_id="another")
    open_cases(database, [REFERRED, other])
    assert cases(database)[0] == (REFERRED.alert_id, None)
    open_cases(database, [again])
    assert cases(database)[0] == (REFERRED.alert_id, "b")


def test_the_control_sample_is_investigated_whatever_the_decision() -> None:
    def occasion(decision: Decision, *, control: bool) -> Occasion | None:
        return occasion_of(msgspec.structs.replace(REFERRED, decision=decision, control=control))

    assert occasion(Decision.PASS, control=False) is None
    assert occasion(Decision.REVIEW, control=False) is Occasion.INVESTIGATION
    assert occasion(Decision.REFER, control=False) is Occasion.INVESTIGATION
    assert {occasion(d, control=True) for d in Decision} == {Occasion.RANDOM_CONTROL}


def test_only_a_case_can_be_closed(database: sqlite3.Connection) -> None:
    with pytest.raises(NoSuchCaseError, match="unknown"):
        close_case(database, "unknown", Finding.FRAUD, NOW)


@pytest.mark.kafka
def test_an_outcome_is_sent_until_it_is_known_to_be_there(
    kafka: str, new_topic: NewTopic, database: sqlite3.Connection
) -> None:
    topic = new_topic("outcomes")
    producer = Producer({"bootstrap.servers": kafka})
    open_cases(database, [REFERRED])
    close_case(database, REFERRED.alert_id, Finding.FRAUD, NOW, reason="sold", amount_saved=90.0)
    assert send_outcomes(database, producer, topic) == 1
    assert send_outcomes(database, producer, topic) == 0
    # Killed after Kafka had it and before the database did: the same again.
    database.execute("update cases set sent = 0")
    assert send_outcomes(database, producer, topic) == 1
    first, second = read_all(kafka, topic)
    assert (first.key, first.value) == (second.key, second.value)
    assert first.key == REFERRED.claim_id.encode()
    assert msgspec.json.decode(first.value or b"", type=FraudOutcome) == FraudOutcome(
        claim_id=REFERRED.claim_id,
        outcome=Finding.FRAUD,
        decided_at=NOW,
        alert_id=REFERRED.alert_id,
        source=Occasion.INVESTIGATION,
        reason="sold",
        amount_saved=90.0,
    )
    # A revision is another outcome.
    close_case(database, REFERRED.alert_id, Finding.INCONCLUSIVE, NOW)
    assert send_outcomes(database, producer, topic) == 1


@pytest.mark.slow
def test_a_model_is_replaced_only_by_a_better_one(tmp_path: Path) -> None:
    history, folder = tmp_path / "history.jsonl", tmp_path / "current"
    write_jsonl(load("synthetic", "synthetic", rows=3_000), history)
    assert improve(str(history), folder)
    before = (folder / "manifest.json").read_bytes()
    assert not improve(str(history), folder), "the same history makes the same model"
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.kafka
def test_claims_are_sent(kafka: str, new_topic: NewTopic) -> None:
    claims = new_topic("claims", partitions=2)
    lines = [b'{"claim_id": "c-%d", "policy_number": "p-%d"}\n' % (n, n % 3) for n in range(50)]
    assert send(lines, kafka, claims) == 50
    sent = read_all(kafka, claims)
    assert sorted(r.value or b"" for r in sent) == sorted(line.strip() for line in lines)
    assert len({(r.key, r.partition) for r in sent}) == 3
    with pytest.raises(msgspec.ValidationError):
        send([b'{"claim_id": 7}'], kafka, claims)


@pytest.mark.kafka
def test_cases_are_opened_once_whoever_reads_again(kafka: str, new_topic: NewTopic) -> None:
    topics = new_topic("alerts"), new_topic("outcomes")
    first, second = (msgspec.structs.replace(REFERRED, alert_id=name) for name in ("1", "2"))
    database = sqlite3.connect(":memory:")

    def serving(last: FraudAlert, group: str) -> int:
        """Read from the beginning until the last alert has its case."""
        produce(kafka, topics[0], [Row(b"k", msgspec.json.encode(last))])
        return serve(
            database, kafka, topics, lambda: (last.alert_id, None) in cases(database), group
        )

    assert serving(first, fresh_name("group")) == 1
    assert serving(second, fresh_name("group")) == 1
    assert cases(database) == [("1", None), ("2", None)]


@pytest.mark.kafka
@pytest.mark.slow
def test_claims_become_cases_and_cases_live_figures(kafka: str, tmp_path: Path) -> None:
    """The loop of docs/loop.md on a real broker: worker, case service and outcomes process."""
    train_small(tmp_path / "model")
    stage = Stage(kafka, tmp_path, tmp_path / "model")
    try:
        process = stage.command("outcomes").ready()
        worker = stage.worker(PUBLISH="actionable", CONTROL_SHARE="0.2", REFERRAL_CAPACITY="50")
        stage.send(list(good(600)))
        stage.wait_drained()
        alerts = {alert.alert_id: alert for _, alert, _ in read(stage).alerts}
        wanted = {name for name, alert in alerts.items() if occasion_of(alert) is not None}
        assert wanted == {*alerts}, "only actionable alerts are published"
        drawn = [alert for alert in alerts.values() if alert.control]
        assert {alert.decision for alert in drawn} >= {Decision.PASS}

        database = sqlite3.connect(":memory:")
        topics = stage.alerts, stage.settings().outcomes_topic
        database.execute(TABLE)
        serve(database, kafka, topics, lambda: len(cases(database)) == len(alerts), stage.group)
        findings = {}
        for number, name in enumerate(sorted(alerts)):
            findings[name] = tuple(Finding)[number % 3]
            close_case(database, name, findings[name], NOW, amount_saved=10.0)
        assert send_outcomes(database, Producer({"bootstrap.servers": kafka}), topics[1]) == len(
            alerts
        )

        expected = Counter(
            (findings[name].value, str(occasion_of(alert))) for name, alert in alerts.items()
        )
        wait.until(lambda: shown(process) == expected, f"{expected}")
        metrics = process.metrics()
        assert metrics["fraud_scorer_amount_saved",] == 10.0 * len(alerts)
        referred = Counter(findings[name] for name, alert in alerts.items() if alert.fraudulent)
        precision = referred[Finding.FRAUD] / (
            referred[Finding.FRAUD] + referred[Finding.NOT_FRAUD]
        )
        (version,) = {alert.model_version for alert in alerts.values()}
        assert metrics["fraud_scorer_live_precision", version] == pytest.approx(precision)
        counted = worker.metrics()
        assert counted["fraud_scorer_control_claims_total",] == len(drawn)
        assert counted["fraud_scorer_referral_capacity",] == 50
        for decision in (Decision.REVIEW, Decision.REFER):
            made = sum(alert.decision is decision for alert in alerts.values())
            assert counted["fraud_scorer_decisions_total", decision.value] == made
        assert sum(v for k, v in counted.items() if k[0] == "fraud_scorer_bands_total") == 600
        assert worker.stop() == process.stop() == 0
    finally:
        stage.close()


def shown(process: Worker) -> Counter[tuple[str, ...]]:
    """Claims by finding and occasion, as the outcomes process reports them."""
    name = "fraud_scorer_outcome_claims"
    return +Counter({key[1:]: int(v) for key, v in process.metrics().items() if key[0] == name})


@pytest.mark.slow
def test_the_loop_runs_in_one_command() -> None:
    environ = {n: v for n, v in os.environ.items() if not n.startswith("KAFKA_")}
    ended = subprocess.run(
        [sys.executable, "-m", "examples.loop"],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for line in ("live precision 0.", "control sample: ", "amount saved "):
        assert line in ended.stdout
    assert "Traceback" not in ended.stderr
