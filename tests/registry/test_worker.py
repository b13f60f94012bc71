"""A real worker on a real Kafka with a registry next to it."""

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer

from consumer.batch.process import process
from model.scoring.scorer import Scorer
from schemas import examples
from schemas.alert import FraudAlert
from schemas.export import FOLDER
from tests.broker import wait
from tests.broker.read import read_all
from tests.harness.kafka import FakeMessage
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.integration.traffic import Row, produce
from tests.registry import writing
from tests.registry.small import small_registry

pytestmark = pytest.mark.kafka

NOW = dt.datetime.now(dt.UTC)


def test_forms_in_and_avro_out(
    new_stage: NewStage, url: str, client: SchemaRegistryClient, scorer: Scorer
) -> None:
    stage = new_stage()
    forms = [writing.plain, writing.json_schema(client), writing.avro(client)]
    rows = [
        Row(f"{number}-{claim['claim_id']}".encode(), write(claim))
        for number, write in enumerate(forms)
        for claim in examples.CLAIMS
    ]
    bad = [Row(b"cut", rows[-1].value and rows[-1].value[:7]), Row(b"who", b"\0\xff\0\0\0{}")]
    worker = stage.worker(SCHEMA_REGISTRY_URL=url, ALERT_FORMAT="avro").ready()
    stage.send([*rows, *bad])
    stage.wait_drained()
    assert worker.stop() == 0, worker.log

    read: Any = AvroDeserializer(client)
    alerts = {
        r.key: msgspec.convert(read(r.value), FraudAlert)
        for r in read_all(stage.bootstrap, stage.alerts)
    }
    assert alerts.keys() == {row.key for row in rows}
    expected = {
        claim["claim_id"]: process([FakeMessage(writing.plain(claim))], scorer, NOW).probabilities[
            0
        ]
        for claim in examples.CLAIMS
    }
    assert {a.claim_id: a.fraud_probability for a in alerts.values()} == expected
    for key, alert in alerts.items():
        assert alert.fraud_probability == expected[alert.claim_id], key
    dead = read_all(stage.bootstrap, stage.dead)
    assert {r.key: r.value for r in dead} == {row.key: row.value for row in bad}
    compared_with_a_finding(stage, url)


def compared_with_a_finding(stage: Stage, url: str) -> None:
    """`outcomes` reads the framed alerts."""
    topic = stage.settings().outcomes_topic
    produce(stage.bootstrap, topic, [Row(b"k", json.dumps(examples.CONFIRMED).encode())])
    follower = stage.command("outcomes", SCHEMA_REGISTRY_URL=url)

    def decided() -> float:
        assert not follower.ended, follower.log
        samples = follower.metrics() if follower.get("/metrics") else {}
        assert not any(v for n, v in samples.items() if n[0].endswith("unreadable_total")), "alert"
        return sum(v for n, v in samples.items() if n[0] == "fraud_scorer_decided_claims")

    wait.until(decided, "the finding")
    assert follower.stop() == 0


def test_a_registry_that_goes_away_stops_the_worker_and_loses_nothing(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    with small_registry() as gone:
        client = SchemaRegistryClient({"url": gone.url})
        framed = writing.json_schema(client)
        worker = stage.worker(SCHEMA_REGISTRY_URL=gone.url).ready()
        stage.send([Row(b"1", framed(examples.REAR_END))])
        stage.wait_drained()
        number = gone.register("claims-of-another", (FOLDER / "claim.json").read_text(), "JSON")
        kept, port = gone.schemas, int(gone.url.rpartition(":")[2])
    value = b"\0" + number.to_bytes(4, "big") + writing.plain(examples.LATE_THEFT)
    stage.send([Row(b"2", writing.plain(examples.MINIMAL_CLAIM)), Row(b"3", value)])
    assert worker.wait() == 8, worker.log
    assert "schema registry: asking for schema 2" in worker.log
    assert stage.command("run", SCHEMA_REGISTRY_URL=gone.url).wait() == 8, "still away"
    with small_registry(port) as back:
        back.schemas.update(kept)
        stage.worker(SCHEMA_REGISTRY_URL=back.url).ready()
        stage.wait_drained()
    keys = [r.key for r in read_all(stage.bootstrap, stage.alerts)]
    assert keys == [b"1", b"2", b"3"]
    assert read_all(stage.bootstrap, stage.dead) == []
