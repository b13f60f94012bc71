"""Workers whose memory is a PostgreSQL database, which others fill, on a real Kafka."""

from collections import Counter
from pathlib import Path

import psycopg
import pytest

from consumer.errors import SettingsError, StoreStoppedError
from schemas.memory import FactKind
from tests.broker import wait
from tests.broker.ports import free_ports
from tests.database.native import NativePostgres
from tests.integration import remembered
from tests.integration.conftest import NewStage
from tests.integration.remembered import Replay, history_of, log_of
from tests.integration.stage import Stage, Worker
from tests.integration.test_memory import (
    EVENTS,
    alerts,
    answered,
    check_in_step,
    days_ago,
    facts,
    find_out,
    post,
    prepared,
    refused,
)

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

ROWS = remembered.claims(EVENTS)
FEW_ROWS = ROWS[:600]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remembered.train(tmp_path_factory.mktemp("remembered") / "model")


def with_database(new_stage: NewStage, model: Path, url: str, partitions: int) -> Stage:
    """Topics, and settings with a database as the store; nobody fills it yet."""
    stage = prepared(new_stage, model, partitions)
    stage.environ["MEMORY_STORE"] = url
    # A killed process is missed soon.
    stage.environ["KAFKA_SESSION_TIMEOUT_MS"] = "6000"
    return stage


def applier(stage: Stage, instance: str = "a1") -> Worker:
    """Start a process that fills the database."""
    return stage.command("memory", "apply", INSTANCE_ID=instance)


def verified(stage: Stage) -> int:
    """The exit code of a comparison with the log."""
    return refused(stage.command("memory", "verify"))


def wait_applied(stage: Stage, running: Worker) -> None:
    """Wait until the database has what is committed in the log now."""
    count = len(log_of(stage))
    wait.until(lambda: running.check() and records(stage) == count, "the log in the database")


def records(stage: Stage) -> int:
    """How many records are in the database."""
    schema = stage.environ["MEMORY_TOPIC"].replace("-", "_").replace(".", "_")
    with psycopg.connect(stage.environ["MEMORY_STORE"]) as connection:
        connection.execute(f"SET search_path TO {schema}".encode())
        row = connection.execute(
            "SELECT (SELECT count(*) FROM claim_records) + (SELECT count(*) FROM findings)"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_worker_in_step_with_the_database_sees_what_the_replay_sees(
    new_stage: NewStage, model: Path, own_database: str
) -> None:
    """To the last bit; also after a kill, its own claims included that were not applied yet."""
    stage = with_database(new_stage, model, own_database, 1)
    filling = applier(stage).ready()
    find_out(stage, EVENTS)
    wait_applied(stage, filling)
    check_in_step(stage)
    wait_applied(stage, filling)
    assert verified(stage) == 0
    assert not (stage.folder / "stores").exists()
    assert filling.stop() == 0


def test_appliers_that_are_killed_leave_what_the_log_says(
    new_stage: NewStage, model: Path, own_database: str
) -> None:
    """Two of them share the partitions; workers may know less than the replay, and never more."""
    stage = with_database(new_stage, model, own_database, 4)
    filling = {name: applier(stage, name).ready() for name in ("a1", "a2")}
    find_out(stage, EVENTS)
    workers = [stage.worker("w0").ready(), stage.worker("w1").ready()]
    remembered.send(stage, stage.claims, ROWS[:2_000])
    stage.wait_published(500, workers[0])
    filling["a1"].kill()
    filling["a1"] = applier(stage, "a1")
    stage.wait_published(1_000, workers[1])
    filling["a2"].kill()
    workers[0].kill()
    workers[0] = stage.worker("w0")
    remembered.send(stage, stage.claims, ROWS[2_000:])
    stage.wait_published(2_500, workers[1])
    filling["a2"] = applier(stage, "a3")  # the partitions move
    stage.wait_drained()
    found, log = alerts(stage), log_of(stage)
    assert Counter(place for place, _ in found) == Counter(facts(log, FactKind.CLAIM))
    assert len(found) == len(ROWS)
    more = [
        (alert.claim_id, own, all_of_it)
        for (_, alert), expected in zip(found, Replay(log).histories(found), strict=True)
        for own, all_of_it in zip(history_of(alert), expected, strict=True)
        if own.claims_365d > all_of_it.claims_365d or own.decided > all_of_it.decided
    ]
    assert more == []
    wait_applied(stage, filling["a1"])
    assert verified(stage) == 0
    assert all(worker.stop() == 0 for worker in (*workers, *filling.values()))


def test_what_is_missing_in_the_database_is_told_by_verify(
    new_stage: NewStage, model: Path, own_database: str
) -> None:
    stage = with_database(new_stage, model, own_database, 1)
    filling, worker = applier(stage).ready(), None
    worker = stage.worker().ready()
    remembered.send(stage, stage.claims, FEW_ROWS)
    stage.wait_drained()
    wait_applied(stage, filling)
    schema = stage.environ["MEMORY_TOPIC"].replace("-", "_").replace(".", "_")
    with psycopg.connect(own_database) as connection:
        connection.execute(f"DELETE FROM {schema}.days WHERE claims = 1".encode())
        connection.execute(
            f"DELETE FROM {schema}.claim_records WHERE amount = (SELECT max(amount) FROM "
            f"{schema}.claim_records)".encode()
        )
    comparing = stage.command("memory", "verify")
    assert refused(comparing) == 1
    assert "days: " in comparing.log
    assert "rows are missing" in comparing.log
    assert "claim " in comparing.log

    # Filled again: whoever was reading it stops, and waits for it when it is started again.
    again = stage.command("memory", "rebuild")
    assert refused(again) == 0
    remembered.send(stage, stage.claims, ROWS[600:700])
    assert refused(worker) == StoreStoppedError.exit_code
    assert "was emptied" in worker.log
    worker = stage.worker().ready()
    stage.wait_drained()
    wait_applied(stage, filling)
    assert verified(stage) == 0
    assert refused(stage.command("memory", "compact")) == SettingsError.exit_code


def test_a_lost_schema_is_filled_again(new_stage: NewStage, model: Path, own_database: str) -> None:
    """Nobody scores a claim without history meanwhile."""
    stage = with_database(new_stage, model, own_database, 1)
    filling, worker = applier(stage).ready(), stage.worker
    scoring = worker().ready()
    remembered.send(stage, stage.claims, FEW_ROWS)
    stage.wait_drained()
    wait_applied(stage, filling)
    schema = stage.environ["MEMORY_TOPIC"].replace("-", "_").replace(".", "_")
    with psycopg.connect(own_database) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    remembered.send(stage, stage.claims, ROWS[600:1_200])
    assert refused(scoring) == StoreStoppedError.exit_code
    assert refused(worker("w2")) == StoreStoppedError.exit_code, "nobody fills it"
    filling.kill()
    filling = applier(stage).ready()
    scoring = worker().ready()
    stage.wait_drained()
    found, log = alerts(stage), log_of(stage)
    assert len(found) == 1_200
    assert [history_of(alert) for _, alert in found] == Replay(log).histories(found)
    wait_applied(stage, filling)
    assert verified(stage) == 0


def test_a_database_that_goes_away_stops_workers_and_nothing_is_lost(
    new_stage: NewStage, model: Path, native_postgres: type[NativePostgres]
) -> None:
    with native_postgres() as server:
        url = server.url.replace("postgres@", "postgres:secret-word@")
        stage = with_database(new_stage, model, url, 1)
        early = stage.worker()
        assert refused(early) == StoreStoppedError.exit_code
        assert "start python -m consumer memory apply" in early.log
        filling, worker = applier(stage).ready(), stage.worker().ready()
        remembered.send(stage, stage.claims, ROWS[:300])
        stage.wait_drained()
        server.kill()
        remembered.send(stage, stage.claims, ROWS[300:600])
        away = stage.worker("w2")
        assert refused(away) == StoreStoppedError.exit_code
        assert refused(worker) == StoreStoppedError.exit_code
        remembered.send(stage, stage.claims, ROWS[600:700])
        filled_none = applier(stage, "a2")
        assert refused(filled_none) == StoreStoppedError.exit_code
        filling.kill()
        server.start()
        filling, worker = applier(stage).ready(), stage.worker().ready()
        stage.wait_drained()
        found, log = alerts(stage), log_of(stage)
        assert len(found) == 700
        assert [history_of(alert) for _, alert in found] == Replay(log).histories(found)
        for ended in stage.workers:
            assert "secret-word" not in ended.log
        assert worker.stop() == 0
        assert filling.stop() == 0


def test_posted_claims_are_scored_with_what_is_in_the_database(
    new_stage: NewStage, model: Path, own_database: str
) -> None:
    stage = with_database(new_stage, model, own_database, 1)
    filling, worker = applier(stage).ready(), stage.worker().ready()
    remembered.send(stage, stage.claims, [row._replace(at_ms=days_ago(30)) for row in ROWS[:1_000]])
    stage.wait_drained()
    wait_applied(stage, filling)
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

    # What is remembered while it serves is known too.
    fresh = [{**event, "phone": "07700 900123"} for event in EVENTS[1_000:1_004]]
    rows = [row._replace(at_ms=days_ago(1)) for row in remembered.claims(fresh)]
    remembered.send(stage, stage.claims, rows)

    def seen() -> bool:
        said = post(address, {"claim_no": "C-other", "phone": "+44 7700 900123"})
        (phone,) = said["history"]
        return bool(phone["policies"] == 4)

    wait.until(seen, "the claims that were scored meanwhile")
    assert filling.stop() == 0
    assert worker.stop() == 0
    assert serving.stop() == 0
