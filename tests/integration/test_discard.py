"""Dead letters that are closed: each once, with a record, and never offered again."""

import base64
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from consumer.__main__ import parser
from consumer.redrive.closing import Closure
from consumer.redrive.command import send_back_asking
from consumer.redrive.plan import Filter, Redriven
from consumer.redrive.redrive import redrive
from consumer.stop import Stop
from schemas.dead_letter import (
    CLOSED_BY_HEADER,
    CLOSED_HEADER,
    CLOSED_WHY_HEADER,
    VALUE_HEADER,
    DeadLetter,
    Form,
    Reason,
)
from tests.broker import wait
from tests.broker.read import Record, committed, end_offsets, read_all
from tests.consumer.fakes import NOW
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.integration.test_redrive import claims, dead, letters, numbers, waiting
from tests.integration.traffic import Row, produce

pytestmark = pytest.mark.kafka

CLOSURE = Closure("the sender is gone", "anna", NOW)
ANY = Filter(max_attempts=None)
WHY = ("--why", "the sender is gone")


def closures(stage: Stage) -> list[Record]:
    return [record for record in dead(stage) if CLOSED_HEADER in dict(record.headers)]


def about(records: list[Record]) -> Counter[int]:
    """Offsets of the refused records that dead letters or closures are about."""
    return Counter(DeadLetter.from_headers(record.headers).offset for record in records)


def mixed() -> list[Row]:
    """Dead letters of all kinds, copies of some, and records of others."""
    rows = letters(60)
    for row, form in zip(rows[:12], itertools.cycle((Form.REDACTED, Form.CUT, Form.ENCRYPTED))):
        headers = [h for h in row.headers if h[0] != VALUE_HEADER]
        rows.append(Row(row.key, b"{}", [*headers, (VALUE_HEADER, form.value.encode())]))
    tried = [(n, b"3" if n == "scorer.errors.attempt" else v) for n, v in rows[20].headers]
    foreign = Row(b"k", b"v", [("number", b"7")])
    return [*rows, rows[30], rows[31], Row(b"k", b"bad", tried), foreign]


@pytest.mark.parametrize("closure", [None, CLOSURE])
@pytest.mark.parametrize("limit", [None, 17])
@pytest.mark.parametrize("reasons", [(), (Reason.EMPTY, Reason.INVALID)])
def test_a_dry_run_counts_what_the_run_does(
    new_stage: NewStage, closure: Closure | None, limit: int | None, reasons: tuple[Reason, ...]
) -> None:
    stage = new_stage(partitions=1)
    produce(stage.bootstrap, stage.dead, mixed())
    wanted = Filter(frozenset(reasons))
    settings = stage.settings()
    told = redrive(settings, wanted, limit=limit, closure=closure, dry_run=True)
    assert redrive(settings, wanted, limit=limit, closure=closure) == told
    assert told.sent + told.closed > 0


def test_each_is_closed_once_with_a_record(stage: Stage) -> None:
    produce(stage.bootstrap, stage.dead, letters(600))
    done = redrive(stage.settings(), ANY, closure=CLOSURE)
    assert done._replace(places=()) == Redriven(0, 0, closed=600)
    assert len(set(done.places)) == 600
    found = closures(stage)
    assert about(found) == Counter(range(600))
    for record in found:
        assert record.value is None
        assert "number" not in dict(record.headers)
        assert record.header(CLOSED_BY_HEADER) == b"anna"
        assert record.header(CLOSED_WHY_HEADER) == b"the sender is gone"
    assert claims(stage) == []
    assert redrive(stage.settings(), Filter()) == Redriven(0, 0, closed_before=600)
    assert redrive(stage.settings(), ANY, closure=CLOSURE) == Redriven(0, 0)
    assert (claims(stage), len(closures(stage))) == ([], 600)


def test_what_the_filter_leaves_out_is_sent_later(stage: Stage) -> None:
    produce(stage.bootstrap, stage.dead, letters(30))
    wanted = Filter(frozenset({Reason.EMPTY}), max_attempts=None)
    assert redrive(stage.settings(), wanted, limit=4, closure=CLOSURE).closed == 4
    assert redrive(stage.settings(), wanted, closure=CLOSURE).closed == 6
    done = redrive(stage.settings(), Filter())
    assert (done.sent, done.kept) == (20, 0)
    assert numbers(claims(stage)) == [n for n in range(30) if n % 3 != 1]
    assert len(closures(stage)) == 10


def test_killed_it_closes_the_rest_and_nothing_twice(new_stage: NewStage) -> None:
    stage = new_stage(partitions=2)
    count, rounds = 30_000, 0
    while not waiting(stage) or len(closures(stage)) == count * rounds:
        assert rounds < 5, "killed too late each time"
        rounds += 1
        produce(stage.bootstrap, stage.dead, letters(count))
        before = written(stage)
        killed = stage.command("redrive", "--discard", *WHY, "--yes")
        wait.until(lambda start=before: written(stage) > start + 500, "the first closures")  # type: ignore[misc]
        killed.kill()
    again = stage.command("redrive", "--discard", *WHY, "--yes")
    assert again.wait() == 0, again.log
    assert "0 kept" in again.log
    assert about(closures(stage)) == Counter(list(range(count)) * rounds)
    assert claims(stage) == []
    assert redrive(stage.settings(), Filter()).sent == 0
    assert waiting(stage) == []


class Terminal:
    """Answers one question, after something has happened."""

    def __init__(self, answer: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._answer = answer
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        """The command asks on a terminal only."""
        return True

    def readline(self) -> str:
        """The answer."""
        self._meanwhile()
        return self._answer + "\n"


def ask(stage: Stage, terminal: Terminal, *options: str) -> int:
    """Exit code of the command, run at that terminal."""
    given = parser().parse_args(["redrive", "--discard", *WHY, *options])
    stdin: Any = terminal
    return send_back_asking(stdin, stage.settings(), given, Stop(service=False))


def test_only_what_was_listed_is_closed(
    new_stage: NewStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another redrive moves a dead letter, and new ones come, while the question waits."""
    stage = new_stage(partitions=1)
    produce(stage.bootstrap, stage.dead, letters(9))

    def meanwhile() -> None:
        assert redrive(stage.settings(), Filter(frozenset({Reason.EMPTY})), limit=1).kept == 1
        produce(stage.bootstrap, stage.dead, letters(3))

    assert ask(stage, Terminal("y", meanwhile)) == 0
    assert about(closures(stage)) == Counter(range(2, 9)), "0 was moved, 1 was sent"
    shown = capsys.readouterr()
    assert "Close these 9 dead letters for good?" in shown.err
    assert "7 closed, 4 kept\n9 were listed: the others could not be closed" in shown.err
    assert len(shown.out.splitlines()) == 9


def test_without_a_yes_nothing_is_closed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    produce(stage.bootstrap, stage.dead, letters(3))
    assert ask(stage, Terminal("")) == 1
    assert "nothing was closed" in capsys.readouterr().err
    unasked = Terminal("y", lambda: pytest.fail("there is nothing to ask about"))
    assert ask(stage, unasked, "--reason", "too_deep") == 0
    assert "0 would be closed, 3 kept" in capsys.readouterr().err
    assert len(read_all(stage.bootstrap, stage.dead)) == 3
    assert committed(stage.bootstrap, f"{stage.group}-redrive", stage.dead) == {}


def written(stage: Stage) -> int:
    """About how much is in the dead-letter topic, committed or not."""
    return sum(end_offsets(stage.bootstrap, [stage.dead], "read_uncommitted").values())


def test_encrypted_ones_are_closed_without_the_key(stage: Stage) -> None:
    keys = stage.folder / "keys"
    keys.write_bytes(base64.b64encode(os.urandom(32)))
    worker = stage.worker(DEAD_LETTER_VALUE="encrypted", DEAD_LETTER_KEY_FILE=str(keys)).ready()
    stage.send([Row(b"k", b'{"claim_id": "c-1", "claim_amount": "much"}')])
    wait.until(lambda: len(dead(stage)) == 1, "the dead letter")
    assert worker.stop() == 0
    known = stage.command("redrive", "--discard", *WHY, "--dry-run", DEAD_LETTER_KEY_FILE=str(keys))
    assert known.wait() == 0, known.log
    assert '"claim_id": "c-1", "then": "closed"' in known.log
    assert closures(stage) == []
    done = stage.command("redrive", "--discard", *WHY, "--by", "anna", "--yes")
    assert done.wait() == 0, done.log
    assert "1 closed, 0 kept" in done.log
    lines = [json.loads(line) for line in done.log.splitlines() if line.startswith("{")]
    audit = [line["message"] for line in lines if line["message"].startswith("closed: ")]
    assert len(audit) == 1
    assert audit[0].startswith(f"closed: the dead letter of {stage.claims}[")
    assert audit[0].endswith("by anna: the sender is gone")


def test_it_asks_for_yes_and_for_the_reason(stage: Stage) -> None:
    produce(stage.bootstrap, stage.dead, letters(3))
    for options, said in (
        (("--discard", *WHY), "add --yes"),
        (("--discard", "--yes"), "--discard needs --why TEXT"),
        (("--yes",), "--yes has no effect without --discard"),
        (("--min-attempts", "3"), "--max-attempts 3 leave no dead letter"),
    ):
        refused = stage.command("redrive", *options)
        assert refused.wait() == 2, refused.log
        assert said in refused.log
    assert committed(stage.bootstrap, f"{stage.group}-redrive", stage.dead) == {}
    assert len(read_all(stage.bootstrap, stage.dead)) == 3
