"""Dead letters that are encrypted or redacted, from the claim to the redrive."""

import base64
import json
import os
import re
from collections import Counter
from functools import partial

import pytest

from schemas.dead_letter import DeadLetter, Form
from tests.broker import wait
from tests.broker.read import Record, read_all
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.integration.traffic import Row, produce

pytestmark = pytest.mark.kafka

NAME = b"Wilhelmina"
TORN = b'{"claim_id": "c-1", "claimant_name": "Wilhelmina", "claim_amount": "much'
WRONG = TORN + b'"}'
ROWS = [
    Row(b"k", TORN, [("trace", b"1"), ("empty", b""), ("null", None)]),
    Row(b"", WRONG, [("trace", b"2")]),
]


def dead(stage: Stage) -> list[Record]:
    return sorted(read_all(stage.bootstrap, stage.dead), key=lambda record: record.offset)


def letters(stage: Stage, count: int) -> list[Record]:
    """The dead letters of a worker that is there already."""
    wait.until(lambda: len(dead(stage)) >= count, f"{count} dead letters")
    return dead(stage)


def form(record: Record) -> Form:
    return DeadLetter.from_headers(record.headers).value


def test_encrypted_letters_go_back_with_their_key_only(stage: Stage) -> None:
    keys = stage.folder / "keys"
    keys.write_bytes(base64.b64encode(os.urandom(32)))
    other = stage.folder / "other"
    other.write_bytes(base64.b64encode(os.urandom(32)))
    sealed = {"DEAD_LETTER_VALUE": "encrypted", "DEAD_LETTER_KEY_FILE": str(keys)}
    worker = stage.worker(**sealed).ready()
    stage.send(ROWS)
    found = letters(stage, 2)
    assert [form(record) for record in found] == [Form.ENCRYPTED] * 2
    assert all(NAME not in (r.value or b"") + str(r.headers).encode() for r in found)

    for settings, said in (
        ({}, "DEAD_LETTER_KEY_FILE is not set"),
        ({"DEAD_LETTER_KEY_FILE": str(other)}, "DEAD_LETTER_KEY_FILE does not contain the key"),
    ):
        refused = stage.command("redrive", **settings)
        assert refused.wait() == 2
        assert said in refused.log
        assert "2 are kept because they cannot be decrypted" in refused.log
    assert len(dead(stage)) == 6, "four of them copies"
    listed = stage.command("redrive", "--dry-run")
    assert listed.wait() == 0
    assert "0 would be sent" in listed.log, "as without --dry-run"
    assert "2 are kept because they cannot be decrypted" in listed.log
    assert listed.log.count('"then": "kept"') == 2
    opened = stage.command("redrive", "--dry-run", DEAD_LETTER_KEY_FILE=str(keys))
    assert opened.wait() == 0
    assert "2 would be sent" in opened.log

    assert worker.stop() == 0
    again = stage.command("redrive", DEAD_LETTER_KEY_FILE=str(keys))
    assert again.wait() == 0, again.log
    claims = read_all(stage.bootstrap, stage.claims)
    back = [record for record in claims if ("scorer.errors.attempt", b"1") in record.headers]
    assert {(r.value, r.header("trace")) for r in back} == {(TORN, b"1"), (WRONG, b"2")}
    assert worker.log.count("Wilhelmina") == again.log.count("Wilhelmina") == 0


def test_a_copy_of_an_encrypted_letter_is_not_sent_too(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    keys = stage.folder / "keys"
    keys.write_bytes(base64.b64encode(os.urandom(32)))
    worker = stage.worker(DEAD_LETTER_VALUE="encrypted", DEAD_LETTER_KEY_FILE=str(keys)).ready()
    stage.send(ROWS)
    one, other = letters(stage, 2)
    assert worker.stop() == 0
    moved = Row(b"another", one.value, one.headers)
    produce(stage.bootstrap, stage.dead, [Row(one.key, one.value, one.headers), moved])
    last = dead(stage)[-2].offset
    again = stage.command("redrive", DEAD_LETTER_KEY_FILE=str(keys))
    assert again.wait() == 2, again.log
    assert f"2 sent to {stage.claims}, 1 kept" in again.log.replace("would be ", "")
    copy = f"1 are left in place .*: {stage.dead}\\[0\\]@{last}, a copy of that of {stage.claims}"
    assert re.search(copy, again.log), again.log
    assert "was changed (its value, key or headers)" in again.log
    back = read_all(stage.bootstrap, stage.claims)[len(ROWS) :]
    assert Counter((r.key, r.value) for r in back) == Counter((r.key, r.value) for r in ROWS)
    assert one.value != other.value
    # The copy does not come back in the next run, nor is anything lost.
    assert stage.command("redrive", DEAD_LETTER_KEY_FILE=str(keys)).wait() == 2
    assert len(read_all(stage.bootstrap, stage.claims)) == 2 * len(ROWS)


def test_redacted_letters_stay(stage: Stage) -> None:
    worker = stage.worker(DEAD_LETTER_VALUE="redacted").ready()
    stage.send(ROWS)
    found = letters(stage, 2)
    assert worker.stop() == 0
    assert [form(record) for record in found] == [Form.REDACTED] * 2
    torn, wrong = sorted((json.loads(r.value or b"{}") for r in found), key=len)
    assert torn["bytes"] == len(TORN)
    assert wrong["claimant_name"] == "[redacted]"
    assert all(NAME not in (r.value or b"") + str(r.headers).encode() for r in found)
    redrive = stage.command("redrive")
    assert redrive.wait() == 0
    assert "2 cannot be sent back: they are redacted" in redrive.log
    assert "0 sent" in redrive.log
    assert "2 kept" in redrive.log
    assert len(read_all(stage.bootstrap, stage.claims)) == len(ROWS)
    wait.until(partial(_kept, stage), "what was kept")


def _kept(stage: Stage) -> bool:
    return [form(record) for record in dead(stage)] == [Form.REDACTED] * 4
