"""Who is forgotten is gone: from the log, every store, and every alert that is written afterwards.

On a real Kafka, with workers that run, that load, or that score the same person's claims meanwhile,
and with the command killed at each step of its transaction.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.errors import KafkaStoppedError
from consumer.kafka.topics import create_topics
from schemas.alert import FraudAlert
from schemas.memory import FactKind, read_key
from tests.broker import wait
from tests.broker.read import Record, end_offsets
from tests.chaos.hooks import Action, Point
from tests.harness import process
from tests.integration import remembered
from tests.integration.conftest import NewStage
from tests.integration.outcomes import read_outputs
from tests.integration.remembered import history_of, links_of, log_of
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import Row

pytestmark = pytest.mark.kafka

PHONE = "07700 900123"
ALIKE = "+44 7700 900123"
"""The same telephone."""
NEARLY_ALL = 30
STRANGERS = remembered.events(400, 5)
OF_A_PERSON = [
    {**event, "claim_no": f"P-{number}", "phone": PHONE, "policy_no": f"POL-{number}"}
    for number, event in enumerate(remembered.events(400, 6)[:12])
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remembered.train(tmp_path_factory.mktemp("forgetting") / "model")


@pytest.fixture
def stage(new_stage: NewStage, model: Path) -> Stage:
    """A stage with a log; one partition, so that claims are scored in their order."""
    made = new_stage(1)
    remembered.remembering(made, model)
    create_topics(made.settings(), 1, 1)
    end_offsets(made.bootstrap, [made.environ["MEMORY_TOPIC"]])  # waits for its leaders
    remembered.keep_everything(made, made.claims)
    return made


def days_ago(events: Sequence[dict[str, Any]], days: int) -> list[Row]:
    """Their records, all of one day."""
    at_ms = int((time.time() - 86_400 * days) * 1_000)
    return [row._replace(at_ms=at_ms) for row in remembered.claims(events)]


def score(stage: Stage, events: Sequence[dict[str, Any]], days: int) -> None:
    remembered.send(stage, stage.claims, days_ago(events, days))
    stage.wait_drained()


def asking(number: int) -> dict[str, Any]:
    """A claim that names the person by another spelling."""
    own = {"claim_no": f"A-{number}", "policy_no": f"POL-A{number}", "phone": ALIKE}
    return {**own, "reported_on": "2025-01-01"}


def forget(stage: Stage, *more: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        process.module("consumer", "forget", f"--phone={ALIKE}", "--yes", *more),
        env=process.environment({**stage.environ, **settings}),
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=wait.GENEROUS,
    )


def about(stage: Stage) -> list[Record]:
    """What the log has under the keys of the person's claims, the latest of each key."""
    latest = {row.key: row for row in log_of(stage)}
    ids = {event["claim_no"] for event in OF_A_PERSON}
    return [row for row in latest.values() if row.value and read_key(row.key).claim_id in ids]


def verified(stage: Stage, instance: str) -> bool:
    """Whether a store, whose worker has ended, is what the log says."""
    done = subprocess.run(
        process.module("consumer", "memory", "verify", "--json"),
        env=process.environment({**stage.environ, "INSTANCE_ID": instance}),
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return bool(json.loads(done.stdout)["equal"])


def in_no_file(stage: Stage, instance: str) -> bool:
    """Whether no id of the person's claims is in a store that was compacted."""
    environ = process.environment({**stage.environ, "INSTANCE_ID": instance})
    subprocess.run(
        process.module("consumer", "memory", "compact"),
        env=environ, cwd=process.ROOT, check=True, capture_output=True,
    )  # fmt: skip
    content = (stage.folder / "stores" / f"{stage.group}-{instance}" / "data.mdb").read_bytes()
    assert b"M-000" in content, "ids are in the file as they are"
    return not any(event["claim_no"].encode() in content for event in OF_A_PERSON)


def alert_on(stage: Stage, claim_id: str) -> FraudAlert:
    (found,) = [a for _, a, _ in read_outputs(stage).alerts if a.claim_id == claim_id]
    return found


def known(stage: Stage, claim_id: str) -> int:
    """In how many earlier claims its telephone stands, by its alert."""
    alert = alert_on(stage, claim_id)
    ids = {event["claim_no"] for event in OF_A_PERSON}
    linked = {link.claim_id for link in links_of(alert)} & ids
    (phone,) = [one for one in history_of(alert) if one.entity == "phone"]
    assert phone.claims_365d or not linked
    return phone.claims_365d


def forgotten_by(stage: Stage, *, at_once: bool) -> None:
    """Ask, as claims of one day do: none of them knows the person, from the first on, or from when
    a worker has read on.
    """
    numbers = count(100)

    def forgotten() -> bool:
        number = next(numbers)
        score(stage, [asking(number)], 1)
        return known(stage, f"A-{number}") == 0

    if at_once:
        assert forgotten()
    else:
        wait.until(forgotten, "the worker to read that it is forgotten")
    assert forgotten()


def nothing_is_pending(worker: Worker) -> bool:
    """Once everything has come back from the log."""
    worker.check()
    return worker.metrics()[("fraud_scorer_memory_pending_claims",)] == 0


def test_a_running_worker_forgets_what_it_read_and_what_it_scored_itself(stage: Stage) -> None:
    worker = stage.worker("w0").ready()
    score(stage, STRANGERS, 40)
    score(stage, OF_A_PERSON, 30)
    score(stage, [asking(0)], 20)
    assert known(stage, "A-0") == len(OF_A_PERSON), "it knows them, from the log or by itself"
    done = forget(stage)
    assert done.returncode == 0, done.stderr
    assert "nothing of it is left" in done.stdout
    assert about(stage) == []
    forgotten_by(stage, at_once=False)
    wait.until(lambda: nothing_is_pending(worker), "the worker's own claims")
    assert worker.stop() == 0
    assert verified(stage, "w0")
    assert in_no_file(stage, "w0")
    assert len({read_key(row.key).claim_id for row in log_of(stage) if row.value}) > NEARLY_ALL


def test_a_claim_is_forgotten_whose_record_has_not_come_back_yet(stage: Stage) -> None:
    """While an open transaction of somebody else holds back every view, the worker goes on with
    the claims that it scored itself; who is forgotten meanwhile is known until the log is read, and
    not afterwards.
    """
    worker = stage.worker("w0").ready()
    score(stage, STRANGERS[:50], 40)
    held = Producer(
        {"bootstrap.servers": stage.bootstrap, "transactional.id": f"{stage.group}-somebody"}
    )
    held.init_transactions(60)
    held.begin_transaction()
    held.produce(stage.environ["MEMORY_TOPIC"], None, b"[]")
    assert held.flush(60) == 0
    score(stage, OF_A_PERSON, 30)
    pending = ("fraud_scorer_memory_pending_claims",)
    score(stage, [asking(0)], 20)
    assert known(stage, "A-0") == len(OF_A_PERSON)
    assert worker.metrics()[pending] >= len(OF_A_PERSON)
    # What is held back is waited for: to say that nothing is there would be wrong.
    forgetting = process.Process(
        process.module("consumer", "forget", f"--phone={ALIKE}", "--yes"),
        process.environment(stage.environ), stage.folder / "forget.log",
    )  # fmt: skip
    wait.until(lambda: forgetting.check() and "open transactions" in forgetting.log, "the wait")
    held.abort_transaction(60)
    assert forgetting.wait() == 0, forgetting.log
    assert "records forgotten" in forgetting.log
    forgotten_by(stage, at_once=False)
    wait.until(lambda: nothing_is_pending(worker), "the worker's own claims")
    assert about(stage) == []
    assert worker.stop() == 0
    assert verified(stage, "w0")


def test_a_worker_that_is_loading_forgets_what_it_has_read_already(stage: Stage) -> None:
    """It is stopped in the middle of the log, and what it read is forgotten meanwhile."""
    first = stage.worker("w0").ready()
    score(stage, OF_A_PERSON, 30)
    score(stage, remembered.events(2_000, 7), 25)
    assert first.stop() == 0
    loading = stage.worker("w1")
    wait.until(lambda: loading.check() and "reading " in loading.log, "the log being read")
    loading.process.send_signal(signal.SIGSTOP)
    try:
        assert forget(stage).returncode == 0
    finally:
        loading.process.send_signal(signal.SIGCONT)
    wait.until(
        lambda: loading.ended or (loading.get("/readyz") or (0,))[0] == 200, "the log to be read"
    )
    if loading.ended:  # stopped while it asked for the end of the log, and was answered too late
        assert loading.wait() == KafkaStoppedError.exit_code, loading.log
        loading = stage.worker("w1")
    loading.ready()
    forgotten_by(stage, at_once=False)
    assert loading.stop() == 0
    assert verified(stage, "w0")
    assert verified(stage, "w1")
    assert in_no_file(stage, "w0")
    assert in_no_file(stage, "w1")


@pytest.fixture
def many(stage: Stage) -> Iterator[Stage]:
    """A stage whose log has the person's claims, with no worker left."""
    worker = stage.worker("w0").ready()
    score(stage, OF_A_PERSON, 30)
    assert worker.stop() == 0
    yield stage


@pytest.mark.parametrize("action", ["kill", "term"])
@pytest.mark.parametrize(
    ("point", "nth", "gone"),
    [
        ("begin:after", 1, False),
        ("produce:after", 5, False),
        ("commit:before", 1, False),
        ("commit:after", 1, True),
    ],
)
def test_a_signal_in_the_transaction_leaves_everything_or_nothing(
    many: Stage, point: Point, nth: int, gone: bool, action: Action
) -> None:
    """A SIGTERM is obeyed between two steps: what was begun is finished, or not."""
    mark = many.folder / "mark"
    done = process.Process(
        [*process.module("tests.integration.interrupted"), point, action, str(nth), str(mark),
         "forget", f"--phone={ALIKE}", "--yes"],
        process.environment(many.environ), many.folder / "forget.log",
    )  # fmt: skip
    code = done.wait()
    assert mark.exists(), "the step was reached"
    left = len(about(many))
    if action == "kill":
        assert code == -signal.SIGKILL
        assert left == (0 if gone else len(OF_A_PERSON))
    else:
        assert code in {0, 128 + signal.SIGTERM}, done.log
        assert left in {0, len(OF_A_PERSON)}
    again = forget(many)
    assert again.returncode == 0, again.stderr
    assert about(many) == []
    worker = many.worker("w0").ready()
    forgotten_by(many, at_once=True)
    assert worker.stop() == 0
    assert verified(many, "w0")


def test_who_comes_in_meanwhile_is_told_and_the_second_run_forgets(many: Stage) -> None:
    """A worker scores the person's claims between the look at the log and its nulls."""
    mark = many.folder / "mark"
    racing = process.Process(
        [*process.module("tests.integration.interrupted"), "begin:after", "stop", "1", str(mark),
         "forget", f"--phone={ALIKE}", "--yes"],
        process.environment(many.environ), many.folder / "forget.log",
    )  # fmt: skip
    wait.until(lambda: mark.exists() and _is_stopped(racing.process.pid), "the transaction")
    worker = many.worker("w0").ready()
    score(many, [{**OF_A_PERSON[0], "claim_no": "P-new"}], 5)
    racing.process.send_signal(signal.SIGCONT)
    assert racing.wait() == 1
    assert "came into" in racing.log
    assert "run it again" in racing.log
    assert [read_key(row.key).kind for row in log_of(many) if _is_of(row, "P-new")] == [
        FactKind.CLAIM
    ]
    assert about(many) == [], "what was found at first is gone"
    done = forget(many)
    assert done.returncode == 0, done.stderr
    assert [row.value for row in log_of(many) if _is_of(row, "P-new")][-1] is None
    forgotten_by(many, at_once=False)
    assert worker.stop() == 0
    assert verified(many, "w0")


def _is_of(row: Record, claim_id: str) -> bool:
    return read_key(row.key).claim_id == claim_id


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
