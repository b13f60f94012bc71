"""Strange records through the real worker: each ends as one alert or one dead letter."""

import pytest

from consumer.batch.process import process
from model.scoring.scorer import Scorer
from tests.broker.read import Record
from tests.consumer.fakes import NOW, FakeMessage
from tests.consumer.strange import strange_records
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
