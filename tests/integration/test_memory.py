"""Workers that remember, on a real Kafka: what they know is what the log says."""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.errors import KafkaStoppedError, ModelRefusedError, SettingsError
from model.scoring.load import load as load_model
from schemas.alert import FraudAlert
from schemas.memory import FactKind, read_key
from tests.broker import topics, wait
from tests.broker.ports import free_ports
from tests.broker.read import Record
from tests.harness.outcomes import Place
from tests.integration import remembered
from tests.integration.conftest import NewStage
from tests.integration.outcomes import read
from tests.integration.remembered import Replay, history_of, links_of, log_of
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import mixed

pytestmark = pytest.mark.kafka

EVENTS = remembered.events(4_000, 5)
KNOWN = 600
"""Alerts of which many name somebody who was seen before."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remembered.train(tmp_path_factory.mktemp("remembered") / "model")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the same claims that asks for no history."""
    return remembered.train(tmp_path_factory.mktemp("plain") / "model", history=False)


def prepared(new_stage: NewStage, model: Path, partitions: int) -> Stage:
    """Topics of which the log is one; nothing is in them yet."""
    stage = new_stage(partitions)
    remembered.remembering(stage, model)
    made = stage.command("topics", "--partitions", str(partitions))
    wait.until(lambda: made.ended, "the topics")
    remembered.keep_everything(stage, stage.claims, stage.environ["OUTCOMES_TOPIC"])
    return stage


def find_out(stage: Stage, found: Sequence[dict[str, object]]) -> None:
    """Have the outcomes of these claims remembered."""
    rows = remembered.findings(found)
    remembered.send(stage, stage.environ["OUTCOMES_TOPIC"], rows)
    following = stage.command("outcomes")
    wait.until(
        lambda: following.check() and len(facts(log_of(stage), FactKind.FINDING)) == len(rows),
        "the findings in the log",
    )
    assert following.stop() == 0


def facts(log: Sequence[Record], kind: FactKind) -> list[Place]:
    """Sources of the facts of a kind."""
    keys = [read_key(row.key) for row in log]
    return [(key.topic, key.partition, key.offset) for key in keys if key.kind is kind]


def alerts(stage: Stage) -> list[tuple[Place, FraudAlert]]:
    return [(place, alert) for place, alert, _ in read(stage).alerts]


def check_in_step(stage: Stage) -> None:
    """Score all claims by one worker at a time, the first of which is killed: each alert says what
    a replay of the log says.
    """
    rows = remembered.claims(EVENTS)
    parts = rows[:1_500], rows[1_500:2_500], rows[2_500:]
    for number, part in enumerate(parts):
        worker = stage.worker(f"w{number % 2}").ready()
        remembered.send(stage, stage.claims, part)
        stage.wait_drained()
        if number:
            assert worker.stop() == 0
        else:
            worker.kill()
    found, log = alerts(stage), log_of(stage)
    assert Counter(place for place, _ in found) == Counter(facts(log, FactKind.CLAIM))
    assert len(found) == len(rows)
    expected = Replay(log).histories(found)
    assert [history_of(alert) for _, alert in found] == expected
    assert sum(any(one.claims_365d for one in history) for history in expected) > KNOWN
    assert sum(any(one.frauds for one in history) for history in expected) > 20
    linked = {link.entity for _, alert in found for link in links_of(alert)}
    assert linked, "none of the referred claims has a link"
    assert linked <= {"policy", "phone", "account"}, "not through garages"


def test_one_worker_in_step_with_time_sees_what_the_replay_sees(
    new_stage: NewStage, model: Path
) -> None:
    """To the last bit; also after it was killed, with a store that is lost, and with its own."""
    stage = prepared(new_stage, model, 1)
    find_out(stage, EVENTS)
    check_in_step(stage)


def test_two_workers_that_are_killed_keep_one_record_of_each_claim(
    new_stage: NewStage, model: Path
) -> None:
    """They may know less than the replay, as they see each other late, and never more."""
    stage = prepared(new_stage, model, 4)
    find_out(stage, EVENTS)
    workers = [stage.worker("w0").ready(), stage.worker("w1").ready()]
    rows = remembered.claims(EVENTS)
    remembered.send(stage, stage.claims, rows[:2_000])
    stage.wait_published(500, workers[0])
    workers[0].kill()
    workers.append(stage.worker("w0"))
    remembered.send(stage, stage.claims, rows[2_000:])
    stage.wait_published(2_500, workers[1])
    workers[1].kill()
    (stage.folder / "stores" / f"{stage.group}-w1" / "owner.json").unlink()
    workers.append(stage.worker("w1"))
    stage.wait_drained()
    found, log = alerts(stage), log_of(stage)
    assert Counter(place for place, _ in found) == Counter(facts(log, FactKind.CLAIM))
    assert len(found) == len(rows)
    more = [
        (alert.claim_id, own, all_of_it)
        for (_, alert), expected in zip(found, Replay(log).histories(found), strict=True)
        for own, all_of_it in zip(history_of(alert), expected, strict=True)
        if own.claims_365d > all_of_it.claims_365d or own.decided > all_of_it.decided
    ]
    assert more == []
    assert all(worker.stop() == 0 for worker in workers[2:])


def refused(worker: Worker) -> int:
    wait.until(lambda: worker.ended, "the end")
    return worker.process.returncode


def test_what_a_worker_needs_to_remember_is_checked_at_its_start(
    new_stage: NewStage, model: Path
) -> None:
    stage = prepared(new_stage, model, 1)
    worker = stage.worker(MEMORY="off")
    assert refused(worker) == ModelRefusedError.exit_code
    assert "MEMORY=on" in worker.log

    other = stage.folder / "other.key"
    other.write_text("bm90IGEga2V5\n")
    worker = stage.worker(MEMORY_KEY_FILE=str(other))
    assert refused(worker) == SettingsError.exit_code
    assert "MEMORY_KEY_FILE" in worker.log

    worker = stage.worker(MEMORY_TOPIC=topics.create(stage.bootstrap, topics.fresh_name(), 1))
    assert refused(worker) == KafkaStoppedError.exit_code
    assert "set cleanup.policy=compact" in worker.log

    worker = stage.worker(MEMORY_TOPIC="absent")
    assert refused(worker) == KafkaStoppedError.exit_code
    assert "python -m consumer topics" in worker.log


def test_hashes_of_another_key_are_refused(new_stage: NewStage, model: Path) -> None:
    stage = prepared(new_stage, model, 1)
    worker = stage.worker().ready()
    remembered.send(stage, stage.claims, remembered.claims(EVENTS[:5]))
    stage.wait_drained()
    assert worker.stop() == 0
    other = stage.folder / "other.key"
    other.write_text("A" * 43 + "=\n")
    for instance in ("w1", "w2"):  # with its store, and with the log alone
        worker = stage.worker(instance, MEMORY_KEY_FILE=str(other))
        assert refused(worker) == SettingsError.exit_code
        assert "MEMORY_KEY_FILE" in worker.log


def test_a_log_that_is_made_again_ends_a_worker_and_is_read_from_its_beginning(
    new_stage: NewStage, model: Path
) -> None:
    """Also if it has more records by then than the one that was deleted had."""
    stage = prepared(new_stage, model, 1)
    worker = stage.worker().ready()
    remembered.send(stage, stage.claims, remembered.claims(EVENTS[:200]))
    stage.wait_drained()
    name, log = stage.environ["MEMORY_TOPIC"], log_of(stage)
    topics.delete(stage.bootstrap, name)
    wait.until(lambda: _made(stage, name), "the topic once more")
    topics.fill(stage.bootstrap, name, [(row.key, row.value) for row in log[:100]] * 5)
    assert refused(worker) == KafkaStoppedError.exit_code
    # Said by whichever is seen first: another topic, none, or no record where the next should be.
    assert "start again" in worker.log

    worker = stage.worker().ready()
    assert "it was filled with another topic_id" in worker.log
    remembered.send(stage, stage.claims, remembered.claims(EVENTS[200:300]))
    stage.wait_drained()
    assert worker.stop() == 0
    verified = stage.command("memory", "verify", INSTANCE_ID="w1")
    assert refused(verified) == 0


def _made(stage: Stage, name: str) -> bool:
    """Create a log, if the brokers have done with deleting the former one."""
    try:
        topics.create(stage.bootstrap, name, 1, {"cleanup.policy": "compact"})
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
        return False
    return True


def test_two_workers_do_not_share_a_store(new_stage: NewStage, model: Path) -> None:
    stage = prepared(new_stage, model, 1)
    stage.worker().ready()
    twin = stage.worker(MEMBERSHIP="dynamic")
    assert refused(twin) == SettingsError.exit_code
    assert "is in use by another process" in twin.log


def test_a_model_without_history_is_served_as_ever_and_its_claims_are_remembered(
    new_stage: NewStage, model_dir: Path, model: Path
) -> None:
    stage = prepared(new_stage, model, 1)
    worker = stage.worker(MODEL_DIR=str(model_dir)).ready()
    stage.send(mixed(300))
    stage.wait_drained()
    assert worker.stop() == 0
    found = read(stage)
    assert Counter(place for place, *_ in found.alerts) == Counter(
        facts(log_of(stage), FactKind.CLAIM)
    )
    assert found.letters
    assert all(b'"history"' not in (row.value or b"") for *_, row in found.alerts)
    assert all(b'"memory"' not in (row.value or b"") for *_, row in found.alerts)


@pytest.mark.parametrize("served_has_history", [False, True])
def test_a_challenger_scores_with_what_the_worker_remembers(
    new_stage: NewStage, model: Path, plain: Path, *, served_has_history: bool
) -> None:
    """Beside a model that asks for no history too; its probabilities are those of the replay."""
    stage = prepared(new_stage, model, 1)
    find_out(stage, EVENTS[:1_500])
    served, challenger = (model, model) if served_has_history else (plain, model)
    worker = stage.worker(MODEL_DIR=str(served), SHADOW_MODEL_DIR=str(challenger)).ready()
    rows = remembered.claims(EVENTS[:1_500])
    remembered.send(stage, stage.claims, rows)
    stage.wait_drained()
    count = ("fraud_scorer_shadow_probability_count",)
    wait.until(lambda: worker.metrics()[count] == len(rows), "what was committed is counted")
    counts = worker.metrics()
    assert worker.stop() == 0
    found, log = read(stage).alerts, log_of(stage)
    assert counts["fraud_scorer_shadow_failed",] == 0
    assert len(found) == len(rows)
    replayed = Replay(log).scores(load_model(model, remembers=True), EVENTS[:1_500], found)
    total = counts["fraud_scorer_shadow_probability_sum",]
    assert total == pytest.approx(replayed.sum(), rel=1e-9)
    assert all((b'"history"' in (row.value or b"")) == served_has_history for *_, row in found)


def test_a_challenger_with_history_is_refused_where_nothing_is_remembered(
    new_stage: NewStage, model: Path, plain: Path
) -> None:
    stage = new_stage(1)
    settings = {"MODEL_DIR": str(plain), "SHADOW_MODEL_DIR": str(model)}
    worker = stage.worker(**settings)
    assert refused(worker) == ModelRefusedError.exit_code
    assert f"SHADOW_MODEL_DIR={model}" in worker.log
    assert "set MEMORY=on" in worker.log


def test_a_posted_claim_is_scored_with_what_workers_remember(
    new_stage: NewStage, model: Path
) -> None:
    stage = prepared(new_stage, model, 1)
    worker = stage.worker().ready()
    remembered.send(stage, stage.claims, [row._replace(at_ms=days_ago(30)) for row in ROWS])
    stage.wait_drained()
    assert worker.stop() == 0
    (port,) = free_ports(1)
    serving = stage.command("serve", API_PORT=str(port))
    address = f"http://127.0.0.1:{port}"
    wait.until(lambda: serving.check() and answered(f"{address}/readyz"), "the endpoint")
    known = EVENTS[500]
    claim = {name: known[name] for name in ("policy_no", "phone", "account", "garage")}
    first = post(address, {"claim_no": "C-new", **claim})
    assert first["memory"]["behind_ms"] < 60_000
    told = {one["entity"]: one for one in first["history"]}
    assert told.keys() <= {"policy", "phone", "account", "garage"}
    assert told["garage"]["policies"] > 1
    again = post(address, {"claim_no": known["claim_no"], **claim})
    own = {one["entity"]: one for one in again["history"]}
    assert own != told, "its own earlier copy does not count"

    # What is remembered while it serves is known too.
    fresh = [{**event, "phone": "07700 900123"} for event in EVENTS[1_000:1_004]]
    worker = stage.worker().ready()
    rows = [row._replace(at_ms=days_ago(1)) for row in remembered.claims(fresh)]
    remembered.send(stage, stage.claims, rows)
    stage.wait_drained()

    def seen() -> bool:
        said = post(address, {"claim_no": "C-other", "phone": "+44 7700 900123"})
        (phone,) = said["history"]
        return bool(phone["policies"] == 4)

    wait.until(seen, "the claims that were scored meanwhile")
    assert worker.stop() == 0
    assert serving.stop() == 0


ROWS = remembered.claims(EVENTS[:1_000])


def days_ago(days: int) -> int:
    return int((time.time() - 86_400 * days) * 1_000)


def answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as found:
            return bool(found.status == 200)
    except OSError:
        return False


def post(address: str, claim: dict[str, object]) -> Any:
    """The whole alert of a claim."""
    request = urllib.request.Request(
        f"{address}/fraud-detection?detail=true",
        json.dumps(claim).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as found:
        return json.load(found)
