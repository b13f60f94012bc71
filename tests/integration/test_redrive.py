"""Dead letters back through the worker: exactly once, and never endlessly."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.batch.process import process
from consumer.errors import KafkaStoppedError
from consumer.redrive.plan import Filter, Redriven
from consumer.redrive.redrive import redrive
from consumer.stop import Stop
from schemas.alert import Source
from schemas.dead_letter import ATTEMPT_HEADER, REDRIVEN_HEADER, DeadLetter, Reason
from tests.broker import wait
from tests.broker.read import Record, committed, end_offsets, read_all
from tests.consumer.fakes import NOW, FakeScorer
from tests.harness.kafka import FakeMessage
from tests.integration.conftest import NewStage
from tests.integration.raw_produce import produce_raw
from tests.integration.stage import Stage
from tests.integration.traffic import Row, bad, produce

pytestmark = pytest.mark.kafka


def letters(
    count: int, values: tuple[bytes | None, ...] = (b"bad", None, b'{"claim_id": 1}')
) -> list[Row]:
    """Dead letters as the worker writes them, each with its own header."""
    messages = [
        FakeMessage(value, n, key=b"k%d" % (n % 7), headers=[("number", b"%d" % n)])
        for n, value in zip(range(count), itertools.cycle(values))
    ]
    found = process(messages, FakeScorer(), NOW).dead_letters
    return [Row(record.key, record.value, record.headers or ()) for record in found]


def numbers(records: list[Record]) -> list[int]:
    return sorted(int(record.header("number") or b"") for record in records)


def claims(stage: Stage) -> list[Record]:
    return read_all(stage.bootstrap, stage.claims)


def dead(stage: Stage) -> list[Record]:
    return read_all(stage.bootstrap, stage.dead)


def has_dead(stage: Stage, count: int) -> bool:
    return len(dead(stage)) == count


def waiting(stage: Stage) -> list[Record]:
    """Dead letters the next redrive is going to meet."""
    done = committed(stage.bootstrap, f"{stage.group}-redrive", stage.dead)
    return [r for r in dead(stage) if r.offset >= done.get(r.partition, 0)]


def test_every_dead_letter_goes_back_once(stage: Stage) -> None:
    rows = letters(1_500)
    produce(stage.bootstrap, stage.dead, rows)
    assert redrive(stage.settings(), Filter()) == Redriven(1_500, 0)
    found = claims(stage)
    assert numbers(found) == list(range(1_500))
    assert Counter((r.key, r.value) for r in found) == Counter((r.key, r.value) for r in rows)
    assert {r.headers[1:-1] for r in found} == {((ATTEMPT_HEADER, b"1"),)}
    places = {b"%s-%d-%d" % (r.topic.encode(), r.partition, r.offset) for r in dead(stage)}
    marks = [dict(r.headers)[REDRIVEN_HEADER] or b"" for r in found]
    assert {mark.rsplit(b"-", 1)[0] for mark in marks} == places
    assert redrive(stage.settings(), Filter()) == Redriven(0, 0)
    assert len(claims(stage)) == 1_500


def large(number: int) -> Row:
    """A dead letter of a record that fitted the claims topic, but not with a header more."""
    key = os.urandom(1_048_450)
    message = FakeMessage(b"bad", number, key=key, headers=[("number", b"%d" % number)])
    (record,) = process([message], FakeScorer(), NOW).dead_letters
    return Row(record.key, record.value, record.headers or ())


def test_one_that_does_not_fit_again_is_kept_and_the_others_go(stage: Stage) -> None:
    rows = letters(40)
    produce(stage.bootstrap, stage.dead, [*rows[:30], large(98), *rows[30:], large(99)])
    assert redrive(stage.settings(), Filter()) == Redriven(40, 2, gone=2)
    assert numbers(claims(stage)) == list(range(40))
    assert numbers(waiting(stage)) == [98, 99]
    assert redrive(stage.settings(), Filter()) == Redriven(0, 2, gone=2)


def test_one_that_fits_nowhere_any_more_is_left_and_named(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    produce(stage.bootstrap, stage.dead, [*letters(3), large(99)])
    lower_limit(stage.bootstrap, stage.dead, 1_048_588)
    found = redrive(stage.settings(), Filter())
    place = Source(topic=stage.dead, partition=0, offset=3)
    assert found == Redriven(3, 0, oversize=(place,))
    assert numbers(claims(stage)) == [0, 1, 2]
    assert redrive(stage.settings(), Filter()) == Redriven(0, 0)


def lower_limit(bootstrap: str, topic: str, limit: int) -> None:
    """Set the topic's max.message.bytes."""
    entry = ConfigEntry(
        "max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(60)


def test_a_sender_of_claims_cannot_have_dead_letters_passed_over(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    produce(stage.bootstrap, stage.dead, letters(2))
    assert redrive(stage.settings(), Filter()) == Redriven(2, 0)
    (end,) = committed(stage.bootstrap, f"{stage.group}-redrive", stage.dead).values()
    code = (claims(stage)[0].header(REDRIVEN_HEADER) or b"").rpartition(b"-")[2]
    for suffix in ("", f"-{code.decode()}", f"-{'0' * 32}"):
        forged = [(REDRIVEN_HEADER, f"{stage.dead}-0-{end + n}{suffix}".encode()) for n in range(9)]
        stage.send([Row(b"k", b"{}", [header]) for header in forged])
    produce(stage.bootstrap, stage.dead, letters(5))
    assert redrive(stage.settings(), Filter()) == Redriven(5, 0)


def test_a_dry_run_changes_nothing(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    produce(stage.bootstrap, stage.dead, letters(9))
    wanted = Filter(reasons=frozenset({Reason.INVALID}))
    assert redrive(stage.settings(), wanted, limit=2, dry_run=True).sent == 2
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["reason"], line["path"]) for line in shown] == [("invalid", "$.claim_id")] * 2
    assert claims(stage) == []
    assert len(waiting(stage)) == 9
    assert committed(stage.bootstrap, f"{stage.group}-redrive", stage.dead) == {}


def test_what_a_filter_leaves_out_waits(stage: Stage) -> None:
    produce(stage.bootstrap, stage.dead, letters(30))
    wanted = Filter(reasons=frozenset({Reason.EMPTY}))
    assert redrive(stage.settings(), wanted) == Redriven(10, 20)
    assert numbers(claims(stage)) == list(range(1, 30, 3))
    assert numbers(waiting(stage)) == [n for n in range(30) if n % 3 != 1]
    assert redrive(stage.settings(), Filter()) == Redriven(20, 0)
    assert numbers(claims(stage)) == list(range(30))
    assert waiting(stage) == []


def test_what_is_kept_ages_and_nothing_is_sent_twice(new_stage: NewStage) -> None:
    """Copies have timestamps of the past: the next redrive has to find them all the same."""
    stage = new_stage(partitions=1)
    produce(stage.bootstrap, stage.dead, letters(30))
    written = {int(r.header("number") or b""): r.timestamp for r in dead(stage)}
    wanted = Filter(reasons=frozenset({Reason.EMPTY}))
    for sent in (10, 0, 0):
        assert redrive(stage.settings(), wanted) == Redriven(sent, 20)
    for record in waiting(stage):
        assert record.timestamp == written[int(record.header("number") or b"")]
    assert redrive(stage.settings(), Filter()) == Redriven(20, 0)
    assert numbers(claims(stage)) == list(range(30))


def test_a_dry_run_counts_as_the_real_run(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    produce(stage.bootstrap, stage.dead, letters(400))
    wanted = Filter(reasons=frozenset({Reason.EMPTY}))
    shown = redrive(stage.settings(), wanted, dry_run=True)
    assert len(capsys.readouterr().out.splitlines()) == shown.sent
    assert redrive(stage.settings(), wanted) == shown


def test_a_limit_leaves_the_rest_for_the_next(new_stage: NewStage) -> None:
    stage = new_stage(partitions=2)
    produce(stage.bootstrap, stage.dead, letters(700))
    sent = 0
    for limit in (1, 99, 500):
        assert redrive(stage.settings(), Filter(), limit=limit).sent == limit
        sent += limit
        assert len(claims(stage)) == sent
        assert len(waiting(stage)) == 700 - sent
    assert redrive(stage.settings(), Filter(), limit=500).sent == 100
    assert numbers(claims(stage)) == list(range(700))


def test_foreign_records_of_the_topic_are_kept(stage: Stage) -> None:
    foreign = [Row(b"k", b"v", [("number", b"7")]), Row(None, None, [("number", b"8")])]
    produce(stage.bootstrap, stage.dead, foreign)
    assert redrive(stage.settings(), Filter()) == Redriven(0, 2)
    assert claims(stage) == []
    assert numbers(waiting(stage)) == [7, 8]


def test_what_cannot_be_copied_is_passed(new_stage: NewStage) -> None:
    """The name of a header is not UTF-8: it stays where it is, what is behind it goes back."""
    stage = new_stage(partitions=1)
    first, second = letters(2)
    for row in (first, second):
        produce_raw(stage.bootstrap, stage.dead, 0, b"k", b"foreign", [(b"\xff", b"v")])
        produce(stage.bootstrap, stage.dead, [row])
    listed = stage.command("redrive", "--dry-run")
    assert listed.wait() == 0, listed.log
    assert "2 would be sent" in listed.log
    sent = stage.command("redrive")
    assert sent.wait() == 0, sent.log
    assert f"2 sent to {stage.claims}, 0 kept" in sent.log
    for log in (listed.log, sent.log):
        for offset in (0, 2):
            assert f"not examined again: {stage.dead}[0]@{offset}: the name of a header" in log
    assert numbers(claims(stage)) == [0, 1]
    assert redrive(stage.settings(), Filter()) == Redriven(0, 0)
    ends = end_offsets(stage.bootstrap, [stage.dead], "read_uncommitted")
    assert ends[stage.dead, 0] == 4, "nothing is copied"


def test_killed_it_is_taken_up_where_it_was(new_stage: NewStage) -> None:
    stage = new_stage(partitions=2)
    count, rounds = 30_000, 0
    while not waiting(stage):  # killed too late, or not at all yet
        assert rounds < 5, "killed too late each time"
        rounds += 1
        before = written(stage)
        produce(stage.bootstrap, stage.dead, letters(count))
        killed = stage.command("redrive")
        wait.until(lambda start=before: written(stage) > start + 500, "the first claims")  # type: ignore[misc]
        killed.kill()
    again = stage.command("redrive")
    assert again.wait() == 0, again.log
    assert "0 kept" in again.log
    assert numbers(claims(stage)) == sorted(list(range(count)) * rounds)
    assert waiting(stage) == []


def written(stage: Stage) -> int:
    """About how much is in the claims topic, committed or not."""
    return sum(end_offsets(stage.bootstrap, [stage.claims], "read_uncommitted").values())


class Overtaken(Stop):
    """The older one has read where to start, and can be stopped, when the younger does it all."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(service=False)
        self._stage = stage
        self.others: list[Redriven] = []

    def gracefully(
        self,
        ask: Callable[[], object] = lambda: None,
        unknown: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().gracefully(ask, unknown)
        self.others.append(redrive(self._stage.settings(), Filter()))


def test_of_two_at_once_the_older_is_stopped(stage: Stage) -> None:
    produce(stage.bootstrap, stage.dead, letters(600))
    older = Overtaken(stage)
    with pytest.raises(KafkaStoppedError, match="redriving"):
        redrive(stage.settings(), Filter(), stop=older)
    assert older.others == [Redriven(600, 0)]
    assert numbers(claims(stage)) == list(range(600))


def test_refused_again_and_again_it_comes_to_rest(stage: Stage) -> None:
    """The whole loop, with a real worker: three attempts, then it stays."""
    worker = stage.worker().ready()
    stage.send([bad("wrong type"), bad("tombstone")])
    for attempt in (1, 2, 3):
        wait.until(partial(has_dead, stage, 2 * attempt), f"dead letters of attempt {attempt}")
        found = [DeadLetter.from_headers(record.headers) for record in waiting(stage)]
        assert [letter.attempt for letter in found] == [attempt] * 2
        assert redrive(stage.settings(), Filter()).sent == (2 if attempt < 3 else 0)
    assert redrive(stage.settings(), Filter()) == Redriven(0, 2)
    assert len(claims(stage)) == 6
    assert worker.stop() == 0
