"""Records that do not fit an output topic: all of them kept where that is possible, else cut."""

import base64
import hashlib
import itertools
import json
import os
import random
import string
from collections.abc import Sequence
from functools import partial

import pytest
from confluent_kafka import Producer

from consumer.batch.cut import HEAD_BYTES
from consumer.batch.records import Record as Sealed
from consumer.dead_letters.encryption import read_keys
from schemas.dead_letter import DeadLetter, Form, Reason
from schemas.decoding.size import MAX_CLAIM_BYTES
from tests.broker import topics, wait
from tests.broker.read import Record, read_all
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.integration.traffic import Row

pytestmark = pytest.mark.kafka

LIMIT = 5_000
"""Bytes a record of a small topic may have."""
HUGE = b"x" * 5_000_000
GOOD = [Row(b"k%d" % n, b'{"claim_id": "c%d"}' % n) for n in range(20)]


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


def send_compressed(stage: Stage, codec: str, rows: Sequence[Row]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": stage.bootstrap,
            "compression.type": codec,
            "message.max.bytes": 100_000_000,
        }
    )
    for row in rows:
        producer.produce(stage.claims, row.value, row.key, headers=list(row.headers))
    assert producer.flush(60) == 0


def dead(stage: Stage, topic: str | None = None) -> list[Record]:
    return sorted(read_all(stage.bootstrap, topic or stage.dead), key=lambda r: r.offset)


def as_record(record: Record) -> Sealed:
    return Sealed(record.key, record.value, list(record.headers))


def letter(record: Record) -> DeadLetter:
    return DeadLetter.from_headers(record.headers)


def scored(stage: Stage) -> list[str]:
    return [json.loads(r.value or b"")["claim_id"] for r in read_all(stage.bootstrap, stage.alerts)]


def small_topic(stage: Stage, limit: int = LIMIT) -> str:
    config = {"max.message.bytes": str(limit)}
    return topics.create(stage.bootstrap, topics.fresh_name("small"), config=config)


def worked_off(stage: Stage, **settings: str) -> str:
    """Run a worker until every claim is committed; what it logged."""
    worker = stage.worker(**settings)
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    return worker.log


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_what_fits_compressed_is_kept_whole(new_stage: NewStage, delivery: str) -> None:
    stage = new_stage(partitions=1)
    for codec in ("gzip", "zstd"):
        send_compressed(stage, codec, [Row(codec.encode(), HUGE, [("trace", b"1")])])
    stage.send(GOOD)
    worked_off(stage, DELIVERY=delivery)
    found = {r.key: r for r in dead(stage)}
    assert found.keys() == {b"gzip", b"zstd"}
    for record in found.values():
        assert record.value == HUGE
        assert record.header("trace") == b"1"
        assert (letter(record).reason, letter(record).value) == (Reason.TOO_LARGE, Form.ORIGINAL)
    assert {*scored(stage)} == {f"c{n}" for n in range(20)}


def test_a_redacted_value_may_be_longer_than_the_claim(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    count = 110_000
    names = map("".join, itertools.product(string.ascii_letters, repeat=3))
    fields = dict.fromkeys(itertools.islice(names, count), 1)
    value = json.dumps(fields, separators=(",", ":")).encode()
    assert len(value) < MAX_CLAIM_BYTES
    stage.send([Row(b"k", value), *GOOD])
    worked_off(stage, DEAD_LETTER_VALUE="redacted")
    (record,) = dead(stage)
    assert letter(record).value is Form.REDACTED
    assert len(record.value or b"") > 2 * MAX_CLAIM_BYTES
    assert {*json.loads(record.value or b"").values()} == {"[redacted]"}
    assert len(scored(stage)) == len(GOOD)


def test_an_encrypted_value_is_compressed_before(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    keys = stage.folder / "keys"
    keys.write_bytes(base64.b64encode(os.urandom(32)))
    sealed = {"DEAD_LETTER_VALUE": "encrypted", "DEAD_LETTER_KEY_FILE": str(keys)}
    send_compressed(stage, "zstd", [Row(b"k", HUGE)])
    stage.send(GOOD)
    worked_off(stage, **sealed)
    (record,) = dead(stage)
    assert read_keys(keys).open(as_record(record), letter(record)) == HUGE
    redrive = stage.command("redrive", DEAD_LETTER_KEY_FILE=str(keys))
    assert redrive.wait() == 0, redrive.log
    assert "1 cannot be sent back" in redrive.log
    assert len(scored(stage)) == len(GOOD)


@pytest.mark.parametrize("form", ["original", "redacted", "encrypted"])
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_what_does_not_fit_is_cut(new_stage: NewStage, form: str, delivery: str) -> None:
    """One at a time and together, with good claims between."""
    stage = new_stage(partitions=1)
    topic = small_topic(stage)
    keys = stage.folder / "keys"
    keys.write_bytes(base64.b64encode(os.urandom(32)))
    fields = {f"field_{noise(8, n).hex()}": 1 for n in range(2_000)}
    rows = [
        Row(b"value", json.dumps(fields).encode(), [("trace", b"1")]),
        Row(noise(6_000), b"bad"),
        Row(b"headers", None, [("own", noise(6_000))]),
        Row(b"small", b"bad", [("trace", b"2")]),
    ]
    stage.send([*GOOD[:10], *rows, *GOOD[10:]])
    worked_off(
        stage,
        DELIVERY=delivery,
        DEAD_LETTER_TOPIC=topic,
        DEAD_LETTER_VALUE=form,
        DEAD_LETTER_KEY_FILE=str(keys),
    )
    assert {*scored(stage)} == {f"c{n}" for n in range(20)}
    found = {letter(r).offset: r for r in dead(stage, topic)}
    value, key, headers, small = (found[offset] for offset in range(10, 14))
    whole = rows[0].value or b""
    assert letter(value).value is Form.CUT
    assert letter(value).reason is Reason.INVALID
    assert letter(value).sha256 == hashlib.sha256(whole).hexdigest()
    assert letter(value).length == len(whole)
    assert f"the first {HEAD_BYTES} of {len(whole)} bytes of the value" in letter(value).message
    assert (value.key, value.header("trace")) == (b"value", b"1")
    head = value.value or b""
    if form == "encrypted":
        head = read_keys(keys).open(as_record(value), letter(value))
    if form == "redacted":
        assert head.startswith(b'{"field_')
        assert b'"[redacted]"' in head
        assert len(head) == HEAD_BYTES
    else:
        assert head == whole[:HEAD_BYTES]
    assert (letter(key).value, key.key) == (Form.CUT, noise(6_000)[:HEAD_BYTES])
    assert (letter(key).sha256, letter(key).length) == ("", 0), "its value is whole"
    assert (headers.key, headers.value) == (b"headers", None)
    assert "none of its own headers" in letter(headers).message
    assert letter(small).value is Form(form)


def test_a_cut_letter_stays_in_the_topic(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    topic = small_topic(stage)
    stage.send([Row(b"k", noise(20_000)), Row(b"small", b"bad")])
    worked_off(stage, DEAD_LETTER_TOPIC=topic)
    redrive = stage.command("redrive", DEAD_LETTER_TOPIC=topic)
    assert redrive.wait() == 0, redrive.log
    assert "1 cannot be sent back: they are redacted (DEAD_LETTER_VALUE) or cut" in redrive.log
    assert "1 sent" in redrive.log
    assert "1 kept" in redrive.log
    assert len(read_all(stage.bootstrap, stage.claims)) == 3


def test_many_at_once_are_found_one_after_the_other(new_stage: NewStage) -> None:
    """More of them in a batch than transactions may be aborted in a row."""
    stage = new_stage(partitions=1)
    topic = small_topic(stage)
    rows = [Row(b"n%d" % n, noise(6_000, n)) for n in range(30)]
    stage.send([row for pair in zip(rows, [*GOOD, *GOOD[:10]], strict=True) for row in pair])
    worked_off(stage, DEAD_LETTER_TOPIC=topic)
    found = dead(stage, topic)
    assert sorted(r.key or b"" for r in found) == sorted(row.key or b"" for row in rows)
    assert {letter(r).value for r in found} == {Form.CUT}
    assert len(scored(stage)) == 30


def test_an_alert_that_does_not_fit_becomes_a_dead_letter(new_stage: NewStage) -> None:
    """Its key, which it has from the claim, or a trace header of the claim is too large."""
    stage = new_stage(partitions=1)
    alerts = small_topic(stage)
    long = [("tracestate", noise(6_000).hex().encode())]
    rows = [Row(noise(6_000), b'{"claim_id": "key"}'), Row(b"k", b'{"claim_id": "trace"}', long)]
    stage.send([*GOOD[:10], *rows, *GOOD[10:]])
    worked_off(stage, ALERTS_TOPIC=alerts)
    found = dead(stage)
    assert [(r.key, r.value) for r in found] == [(row.key, row.value) for row in rows]
    assert {letter(r).reason for r in found} == {Reason.TOO_LARGE}
    assert {letter(r).value for r in found} == {Form.ORIGINAL}
    assert "alert does not fit" in letter(found[0]).message
    assert len(read_all(stage.bootstrap, alerts)) == len(GOOD)


def test_neither_alert_nor_dead_letter_fits(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    both = {"ALERTS_TOPIC": small_topic(stage), "DEAD_LETTER_TOPIC": small_topic(stage)}
    stage.send([Row(noise(6_000), b'{"claim_id": "key"}'), *GOOD])
    worked_off(stage, **both)
    (record,) = dead(stage, both["DEAD_LETTER_TOPIC"])
    assert (letter(record).value, letter(record).reason) == (Form.CUT, Reason.TOO_LARGE)
    assert record.value == b'{"claim_id": "key"}'
    assert len(read_all(stage.bootstrap, both["ALERTS_TOPIC"])) == len(GOOD)


def test_a_topic_too_small_for_any_dead_letter_stops_the_worker(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    topic = small_topic(stage, 300)
    stage.send([*GOOD, Row(b"k", noise(2_000))])
    worker = stage.worker(DEAD_LETTER_TOPIC=topic)
    assert worker.wait() == 4
    assert "raise its max.message.bytes" in worker.log
    assert f"not even a dead letter that is cut fits: {stage.claims}[0]@20" in worker.log
    assert "Traceback" not in worker.log
    assert dead(stage, topic) == []
    worked_off(stage, DEAD_LETTER_TOPIC=small_topic(stage))
    assert len(scored(stage)) == len(GOOD)


def test_a_batch_of_records_that_fit_one_by_one(new_stage: NewStage) -> None:
    """A topic may take less than the client sends at once."""
    stage = new_stage(partitions=1)
    rows = [Row(b"k%d" % n, b'{"claim_id": "c%d"}' % n) for n in range(500)]
    stage.send(rows)
    alerts = small_topic(stage)
    worked_off(stage, ALERTS_TOPIC=alerts)
    assert [r.key for r in dead(stage, alerts)] == [row.key for row in rows]
    assert dead(stage) == []


def test_the_client_s_own_limits_are_no_end_either(new_stage: NewStage) -> None:
    """KAFKA_MESSAGE_MAX_BYTES counts before compression; nothing larger ever fits the queue."""
    for limits in (
        {"KAFKA_MESSAGE_MAX_BYTES": "1000000"},
        {"KAFKA_QUEUE_BUFFERING_MAX_KBYTES": "1000"},
    ):
        stage = new_stage(partitions=1)
        send_compressed(stage, "zstd", [Row(b"k", HUGE)])
        stage.send(GOOD)
        worked_off(stage, **limits)
        (record,) = dead(stage)
        assert (letter(record).value, letter(record).length) == (Form.CUT, len(HUGE))
        assert len(scored(stage)) == len(GOOD)


def test_what_is_before_a_misfit_is_not_searched_again(new_stage: NewStage) -> None:
    """Each is found by an abort: as long as there are any, batches are small."""
    key = noise(LIMIT)
    rows = [Row(key if n % 3 == 0 else b"k", b'{"claim_id": "c%d"}' % n) for n in range(90)]
    for _ in range(5):
        stage = new_stage(partitions=1)
        small = small_topic(stage)
        send_compressed(stage, "zstd", rows)
        worker = stage.worker(ALERTS_TOPIC=small)
        wait.until(partial(dead, stage), "the first misfits")
        worker.kill()
        if len(dead(stage)) < 30:
            break
    else:
        raise AssertionError("killed too late each time")
    worked_off(stage, ALERTS_TOPIC=small)
    assert len(dead(stage)) == 30
    found = [json.loads(r.value or b"")["claim_id"] for r in read_all(stage.bootstrap, small)]
    assert found == [f"c{n}" for n in range(90) if n % 3]
