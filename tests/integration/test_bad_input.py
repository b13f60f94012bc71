"""Strange records through the real worker: each ends as one alert or one dead letter."""

import pytest

from consumer.batch.process import process
from model.scoring.scorer import Scorer
from schemas.dead_letter import Reason
from tests.broker import wait
from tests.broker.read import Record
from tests.consumer.fakes import NOW
from tests.consumer.strange import strange_records
from tests.harness.kafka import FakeMessage
from tests.integration import outcomes
from tests.integration.raw_produce import produce_raw
from tests.integration.stage import Stage
from tests.integration.traffic import Row

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def as_message(record: Record) -> FakeMessage:
    return FakeMessage(
        record.value, record.offset, key=record.key, headers=list(record.headers),
        topic=record.topic, partition=record.partition,
    )  # fmt: skip


def test_ten_thousand_strange_records(stage: Stage, scorer: Scorer) -> None:
    """And each fares as it does in `process`, byte for byte."""
    sent = stage.send([Row(*record) for record in strange_records()])
    assert sent >= 10_000
    worker = stage.worker()
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    found = outcomes.read(stage)
    assert found.places() == dict.fromkeys(found.claims, 1)
    expected = process([as_message(r) for r in found.claims.values()], scorer, NOW)
    letters = sorted((r.key or b"", r.value or b"") for *_, r in found.letters)
    assert letters == sorted((r.key or b"", r.value or b"") for r in expected.dead_letters)
    assert len(found.alerts) == len(expected.alerts)


@pytest.mark.parametrize("names", [1, 2, 5])
def test_names_of_headers_that_are_no_unicode_whenever_they_come(stage: Stage, names: int) -> None:
    """Also when the interpreter has seen so many records that it calls the client another way."""
    good = [Row(b"k", b'{"claim_id": "c%d"}' % number) for number in range(40)]
    stage.send(good)
    bad: list[tuple[bytes, bytes]] = [(b"\xff", b"v")] * names
    for partition in [0, 1, 2] * 5:
        produce_raw(stage.bootstrap, stage.claims, partition, b"k", b'{"claim_id": "c"}', bad)
    stage.send(good)
    worker = stage.worker()
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    again = stage.worker()
    stage.send(good)
    stage.wait_drained()
    assert again.stop() == 0, again.log
    found = outcomes.read_outputs(stage)
    assert (len(found.alerts), len(found.letters)) == (120, 15)
    assert {letter.reason for _, letter, _ in found.letters} == {Reason.NOT_UTF8}


def test_a_redrive_reads_over_names_of_headers_that_are_no_unicode(stage: Stage) -> None:
    """It looks in the claims topic for what an earlier one sent, and finds what anybody sent."""
    stage.send([Row(b"k", b"bad")])
    worker = stage.worker()
    stage.wait_drained()
    assert stage.command("redrive").wait() == 0
    for _ in range(12):
        bad = [(b"\xff", b"v"), (b"\xfe", b"w")]
        produce_raw(stage.bootstrap, stage.claims, 0, b"k", b'{"claim_id": "c"}', bad)
    wait.until(stage.drained, "the last claim")
    again = stage.command("redrive")
    assert again.wait() == 0, again.log
    assert worker.stop() == 0, worker.log


@pytest.mark.parametrize("tracing", ["off", "otlp"])
def test_a_header_whose_name_is_no_unicode(stage: Stage, tracing: str) -> None:
    """Also where the headers are asked for more than once: a crash of the client."""
    for partition, value in enumerate((b'{"claim_id": "c1"}', b"bad", None)):
        produce_raw(stage.bootstrap, stage.claims, partition, b"k", value, [(b"\xff", b"v")])
    stage.send([Row(b"k", b'{"claim_id": "c2"}')])
    nobody = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    worker = stage.worker(TRACING=tracing, **nobody if tracing == "otlp" else {})
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    found = outcomes.read_outputs(stage)
    assert [alert.claim_id for _, alert, _ in found.alerts] == ["c2"]
    values = {record.value for *_, record in found.letters}
    assert values == {b'{"claim_id": "c1"}', b"bad", None}
