"""Commands around the log of what is remembered, on a real Kafka."""

import base64
import datetime as dt
import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.__main__ import main
from consumer.errors import KafkaStoppedError
from consumer.history.access.scan import LogScan
from consumer.kafka.topics import create_topics, require_log
from consumer.memory.assembly import store_path
from consumer.memory.log import log_fact
from consumer.memory.store import MemoryStore, open_store
from consumer.memory.tail import LOOK_EVERY_S, Tail
from consumer.memory.view import Asked
from consumer.stop import Stop
from model.history.facts import at_start_of, claim_ref
from model.history.keys import fingerprint
from model.history.plan import Bounds, kinds_in
from schemas.memory import RememberedClaim, read_key
from tests.broker import topics, wait
from tests.broker.read import Record, end_offsets, read_all
from tests.consumer.memory.dict_view import DictView
from tests.integration import remembered
from tests.integration.conftest import NewStage
from tests.integration.remembered import MOTOR, SECRET, log_of
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import Row, produce

pytestmark = pytest.mark.kafka

EVENTS = remembered.events(600, 5)


@pytest.fixture
def stage(new_stage: NewStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a log that is empty, whose settings are those of this process."""
    made = new_stage(3)
    remembered.remembering(made, tmp_path / "no-model")
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    create_topics(made.settings(), 3, 1)
    end_offsets(made.bootstrap, [made.environ["MEMORY_TOPIC"]])  # waits for its leaders
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The claims as lines of JSON, with what was found."""
    return written(tmp_path / "old.jsonl", EVENTS)


def written(path: Path, events: Any) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def live(stage: Stage) -> dict[bytes, Record]:
    """The latest record of each key, without what is forgotten."""
    found = {row.key or b"": row for row in log_of(stage)}
    return {key: row for key, row in found.items() if row.value is not None}


def shared() -> tuple[str, list[dict[str, Any]]]:
    """A telephone that several claims state, and the claims; they write it differently."""
    by_number: dict[str, list[dict[str, Any]]] = {}
    for event in EVENTS:
        digits = "".join(filter(str.isdigit, str(event.get("phone") or "")))
        by_number.setdefault(digits.removeprefix("44").removeprefix("0"), []).append(event)
    del by_number[""]
    events = max(by_number.values(), key=lambda found: len({e["policy_no"] for e in found}))
    assert len({event["phone"] for event in events}) > 1
    return str(events[0]["phone"]), events


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*arguments, "--contract", "motor", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def remember(file: Path) -> int:
    return main(["remember", "--data", str(file), "--contract", "motor"])


class Counts:
    """Counts nothing."""

    def applied(self, facts: int) -> None: ...
    def unreadable(self) -> None: ...


def store(stage: Stage, path: Path) -> MemoryStore:
    kept = require_log(stage.settings())
    return open_store(path, kinds_in(MOTOR), Bounds(), fingerprint(SECRET), kept.topic_id)


def follow(stage: Stage, view: MemoryStore) -> Tail:
    """A tail that has read the log."""
    settings = stage.settings()
    topic_id = require_log(settings).topic_id
    tail = Tail(settings, view, fingerprint(SECRET), topic_id, Counts(), lambda _: None)
    assert tail.load(lambda: True, lambda _, __: None)
    return tail


def test_a_tail_does_not_go_on_in_a_log_that_was_made_again(
    stage: Stage, file: Path, tmp_path: Path
) -> None:
    """Though that has a record where the next one should be."""
    assert remember(file) == 0
    name, rows = stage.environ["MEMORY_TOPIC"], [(r.key, r.value) for r in log_of(stage)]
    with closing(store(stage, tmp_path / "store")) as view:
        tail = follow(stage, view)
        with closing(tail):
            before, then = view.positions(), time.monotonic() + LOOK_EVERY_S
            topics.delete(stage.bootstrap, name)
            wait.until(lambda: made_again(stage, name), "the topic once more")
            topics.fill(stage.bootstrap, name, rows * 3)
            wait.until(lambda: time.monotonic() > then, "the time to look")
            # One of two things says so first: that it is another topic, or that an offset is gone.
            with pytest.raises(KafkaStoppedError, match=r"made again|has no record"):
                while True:
                    tail.step(0.1)
            assert view.positions() in (before, {})


def test_a_tail_does_not_go_on_in_another_log_of_the_same_name(
    stage: Stage, file: Path, tmp_path: Path
) -> None:
    assert remember(file) == 0
    with closing(store(stage, tmp_path / "store")) as view:
        settings = stage.settings()
        tail = Tail(settings, view, fingerprint(SECRET), "former", Counts(), lambda _: None)
        with closing(tail), pytest.raises(KafkaStoppedError, match="deleted and made again"):
            assert tail.load(lambda: True, lambda _, __: None)
            while True:
                tail.step(0.1)


def made_again(stage: Stage, name: str) -> bool:
    """Create a log, if the brokers have done with deleting the former one."""
    try:
        topics.create(stage.bootstrap, name, 3, {"cleanup.policy": "compact"})
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
        return False
    return True


def test_a_file_is_remembered_once_however_often(
    stage: Stage, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remember(file) == 0
    once = {key: row.value for key, row in live(stage).items()}
    found = [e for e in EVENTS if e["outcome"].get("decided")]
    assert f"600 claims and {len(found)} findings are in" in capsys.readouterr().out
    assert len(once) == 600 + len(found)
    assert remember(file) == 0
    assert {key: row.value for key, row in live(stage).items()} == once
    assert len(log_of(stage)) == 2 * len(once)
    text = b"".join((row.key or b"") + (row.value or b"") for row in log_of(stage))
    assert file.name.encode() not in text

    bad = written(tmp_path / "bad.jsonl", [{**EVENTS[0], "claimed": "much"}, EVENTS[1]])
    assert remember(bad) == 1
    streams = capsys.readouterr()
    assert "rejected: bad.jsonl, line 1" in streams.err
    assert "1 rows rejected" in streams.out


def test_the_claims_of_a_telephone_are_listed_without_it(
    stage: Stage, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remember(file) == 0
    name, events = shared()
    found = answer(capsys, "entity", "--phone", name)
    assert {one["claim_id"] for one in found["claims"]} == {e["claim_no"] for e in events}
    by_id = {one["claim_id"]: one for one in found["claims"]}
    moments = [one["known_at"] for one in found["claims"]]
    assert moments == sorted(moments, reverse=True)
    words = {"fraud": True, "cleared": False}
    for event in events:
        one = by_id[event["claim_no"]]
        assert one["known_at"] == f"{event['reported_on']}T00:00:00Z"
        assert (one["day"], one["amount"]) == (event.get("lost_on"), event.get("claimed"))
        outcome = event["outcome"]
        if outcome.get("decided"):
            assert one["fraud"] == words.get(outcome["finding"], False)
            assert one["found_at"] == f"{outcome['decided']}T00:00:00Z"
    numbers = {e["policy_no"]: by_id[e["claim_no"]]["policy"] for e in events}
    assert sorted(set(numbers.values())) == list(range(1, found["policies"] + 1))
    assert found["policies"] == len({e["policy_no"] for e in events})

    capsys.readouterr()
    assert main(["entity", f"--phone={name}", "--contract", "motor"]) == 0
    streams = capsys.readouterr()
    assert f"{len(events)} claims with this phone, on {found['policies']} policies" in streams.out
    hashes = [
        naming.hash
        for row in log_of(stage)
        if isinstance(fact := log_fact(row.key, row.value).fact, RememberedClaim)
        for naming in fact.entities
    ]
    said = streams.out + streams.err
    assert not [e for e in events if e["phone"] in said]
    assert not [h for h in hashes if h.hex() in said or base64.b64encode(h).decode() in said]

    of_claim = answer(capsys, "entity", "--claim", events[0]["claim_no"])
    (phones,) = [one for one in of_claim["shared"] if one["kind"] == "phone"]
    others = {e["claim_no"] for e in events} - {events[0]["claim_no"]}
    assert {one["claim_id"] for one in phones["claims"]} == others


def test_a_placeholder_names_nobody_and_another_key_is_refused(
    stage: Stage, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert remember(file) == 0
    assert main(["entity", "--phone", "0000000", "--contract", "motor"]) == 1
    assert "names nobody" in capsys.readouterr().err
    assert main(["entity", "--shoe", "large", "--contract", "motor"]) == 2
    assert "names no kind of entity 'shoe': it has policy" in capsys.readouterr().err
    other = tmp_path / "other.key"
    other.write_bytes(base64.b64encode(bytes(32)))
    monkeypatch.setenv("MEMORY_KEY_FILE", str(other))
    assert main(["entity", "--phone", "020 7946 0123", "--contract", "motor"]) == 2
    assert "another key" in capsys.readouterr().err


def test_nothing_is_remembered_with_another_key(
    stage: Stage, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Every reader would refuse to go on."""
    assert remember(file) == 0
    count = len(log_of(stage))
    other = tmp_path / "other.key"
    other.write_bytes(base64.b64encode(bytes(32)))
    monkeypatch.setenv("MEMORY_KEY_FILE", str(other))
    assert remember(file) == 2
    assert "another key" in capsys.readouterr().err
    assert len(log_of(stage)) == count


def test_an_outcome_that_is_assumed_for_later_is_left_out(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By then something else may have been found, which it would overrule."""
    today = dt.datetime.now(dt.UTC).date()
    events = [
        {
            **EVENTS[ago],
            "reported_on": f"{today - dt.timedelta(days=ago)}",
            "outcome": {"finding": "cleared"},
        }
        for ago in (10, 89, 90, 200)
    ]
    assert remember(written(tmp_path / "recent.jsonl", events)) == 0
    streams = capsys.readouterr()
    assert "4 claims and 2 findings are in" in streams.out
    assert "2 labels were left out: their claims were reported less than 90 days ago" in streams.err


def test_a_file_may_have_any_name(stage: Stage, tmp_path: Path) -> None:
    name = tmp_path / os.fsdecode(b"bad\xff.jsonl")
    assert remember(written(name, EVENTS[:3])) == 0
    assert len(live(stage)) >= 3


def test_what_is_forgotten_is_in_no_log_and_no_store(
    stage: Stage, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remember(file) == 0
    name, events = shared()
    gone = {event["claim_no"] for event in events}
    before = live(stage)
    # A log that got partitions later has records where their keys do not belong any more.
    topics.grow(stage.bootstrap, stage.environ["MEMORY_TOPIC"])
    with closing(store(stage, tmp_path / "s")) as view:
        tail = follow(stage, view)
        assert main(["forget", "--phone", name, "--contract", "motor", "--yes"]) == 0
        streams = capsys.readouterr()
        assert "nothing of it is left" in streams.out
        assert name not in streams.out + streams.err
        nulls = [row for row in log_of(stage) if row.value is None]
        assert {row.key: row.partition for row in nulls} == {
            row.key: row.partition
            for row in before.values()
            if log_fact(row.key, row.value).key.claim_id in gone
        }
        assert not [key for key in live(stage) if json.loads(key)[1] in gone]
        assert len(live(stage)) == len(before) - len(nulls)
        ends = LogScan(stage.settings(), Stop(service=False)).ends()
        wait.until(
            lambda: (
                tail.step(0.2) == 0
                and all(view.positions().get(p, 0) >= e for p, e in ends.items())
            ),
            "the end of the log",
        )
        with closing(store(stage, tmp_path / "anew")) as anew:
            follow(stage, anew)
            assert list(view.rows()) == list(anew.rows())
            assert not [1 for _, _, value in view.rows() if any(c.encode() in value for c in gone)]
    assert answer(capsys, "entity", "--phone", name)["claims"] == []
    assert main(["forget", "--claim", events[0]["claim_no"], "--yes"]) == 0
    assert "nothing is remembered of it" in capsys.readouterr().out


def test_what_is_outdated_goes_and_later_claims_are_told_the_same(
    stage: Stage, model: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MODEL_DIR", str(model))
    years = [
        {**without, "reported_on": f"{2015 + number % 8}{event['reported_on'][4:]}"}
        for number, event in enumerate(EVENTS)
        for without in [{name: value for name, value in event.items() if name != "outcome"}]
        if not event["reported_on"].endswith("02-29")
    ]
    assert remember(written(tmp_path / "years.jsonl", years)) == 0
    latest = max(dt.date.fromisoformat(event["reported_on"]) for event in years)
    oldest = latest - dt.timedelta(days=1_095)
    old = {e["claim_no"] for e in years if dt.date.fromisoformat(e["reported_on"]) < oldest}
    notes = [log_fact(row.key, row.value) for row in log_of(stage)]
    asked = [
        Asked(claim_ref("another"), DictView(kinds_in(MOTOR)).keys(told.fact), moment)
        for told in notes
        if isinstance(told.fact, RememberedClaim)
        for moment in (at_start_of(latest.toordinal()), at_start_of(latest.toordinal() + 300))
    ]
    with closing(store(stage, tmp_path / "before")) as view:
        follow(stage, view)
        before = view.histories(asked, {})
        assert main(["forget", "--outdated"]) == 2
        assert "add --yes" in capsys.readouterr().err
        monkeypatch.setenv("MEMORY_DAYS", "1094")
        assert main(["forget", "--outdated", "--yes"]) == 2
        assert "the model looks back 1,095 days" in capsys.readouterr().err
        monkeypatch.delenv("MEMORY_DAYS")
        assert len(log_of(stage)) == len(notes)
        assert main(["forget", "--outdated", "--yes"]) == 0
        assert f"from before {oldest}" in capsys.readouterr().err
    left = {read_key(key).claim_id for key in live(stage)}
    assert left == {event["claim_no"] for event in years} - old
    assert old
    with closing(store(stage, tmp_path / "before")) as view:
        follow(stage, view)
        assert repr(view.histories(asked, {})) == repr(before)
        with closing(store(stage, tmp_path / "anew")) as anew:
            follow(stage, anew)
            assert list(view.rows()) == list(anew.rows())
    assert main(["forget", "--outdated", "--yes"]) == 0
    assert f"nothing in {stage.environ['MEMORY_TOPIC']} is from before" in capsys.readouterr().out


def test_nothing_is_forgotten_without_a_yes(
    stage: Stage, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remember(file) == 0
    count = len(log_of(stage))
    assert main(["forget", "--claim", EVENTS[0]["claim_no"]]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert len(log_of(stage)) == count


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remembered.train(tmp_path_factory.mktemp("remembered") / "model")


def scoring_all(stage: Stage, model: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker that remembers, once it has scored every claim."""
    stage.environ["MODEL_DIR"] = str(model)
    monkeypatch.setenv("MODEL_DIR", str(model))
    remembered.keep_everything(stage, stage.claims)
    worker = stage.worker().ready()
    remembered.send(stage, stage.claims, remembered.claims(EVENTS), 0)
    stage.wait_drained()
    return worker


def test_alerts_and_the_store_are_what_the_log_says(
    stage: Stage,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    worker = scoring_all(stage, model, monkeypatch)
    assert main(["memory", "verify"]) == 2
    assert "in use by another process" in capsys.readouterr().err
    assert worker.stop() == 0
    found = checked(capsys)
    assert found["checked"] == len(EVENTS)
    assert found["equal"] + found["fewer"] == len(EVENTS)
    assert found["equal"] > len(EVENTS) // 2

    assert main(["memory", "verify"]) == 0
    assert "rows are equal" in capsys.readouterr().out
    path = store_path(stage.settings())
    with closing(store(stage, path)) as view:
        key = log_fact(log_of(stage)[0].key, None)
        view.apply([key], view.positions())
    assert main(["memory", "verify"]) == 1
    assert f"claim {key.key.claim_id}" in capsys.readouterr().out
    assert main(["memory", "rebuild"]) == 0
    assert main(["memory", "verify"]) == 0
    before = (path / "data.mdb").stat().st_size
    assert main(["memory", "compact"]) == 0
    assert (path / "data.mdb").stat().st_size < before
    assert main(["memory", "verify"]) == 0
    capsys.readouterr()

    seen = next(row for row in read_all(stage.bootstrap, stage.alerts) if is_about_somebody(row))
    alert = json.loads(seen.value or b"")
    alert["history"][0]["claims_365d"] += 1
    forged = Row(seen.key, json.dumps(alert).encode())
    assert produce(stage.bootstrap, stage.alerts, [forged]) == 1
    found = checked(capsys, code=1)
    assert found["wrong"] == 1
    assert f"claim {alert['claim_id']}" in found["first_wrong"][0]
    assert "claims_365d" in found["first_wrong"][0]


def test_what_came_in_late_is_not_wrong(
    stage: Stage,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Findings that reach the log after the claims were scored, dated before."""
    worker = scoring_all(stage, model, monkeypatch)
    assert worker.stop() == 0
    before = checked(capsys)
    assert remember(written(tmp_path / "late.jsonl", EVENTS)) == 0
    after = checked(capsys)
    assert after["wrong"] == 0
    assert after["fewer"] > before["fewer"]
    assert after["equal"] < before["equal"]


def is_about_somebody(row: Record) -> bool:
    return bool(json.loads(row.value or b"{}").get("history"))


def checked(capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["check-history", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
