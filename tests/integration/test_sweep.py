"""What a sweep leaves behind, and that it frees a worker with DELIVERY=at-least-once, too."""

import time
from typing import Final

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.batch.records import Record
from consumer.kafka.client import transactional_id
from consumer.kafka.receipts import Receipt
from consumer.publishing.leftovers import SWEEP_KEY, Leftovers
from model.scoring.scorer import Scorer
from tests.broker import wait
from tests.broker.read import partitions_of, read_all
from tests.broker.transactions import unstable_partitions
from tests.integration.conftest import NewStage
from tests.integration.dead_transaction import DeadTransaction
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage
from tests.integration.test_takeover import score
from tests.integration.traffic import mixed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PARTITIONS: Final = 2
DEAD: Final = [Record(b"k", b"dead", [])]


@pytest.fixture(scope="module")
def kafka(unverified: str) -> str:
    return unverified


def compact(stage: Stage, topic: str) -> None:
    """Have the topic compacted: it then refuses records without a key."""
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": stage.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(60)


def test_its_records_have_a_key_and_nobody_who_reads_committed_sees_them(
    new_stage: NewStage,
) -> None:
    stage = new_stage(partitions=PARTITIONS)
    outputs = stage.alerts, stage.dead
    for topic in outputs:
        compact(stage, topic)
    settings = stage.settings()
    by = transactional_id(settings)
    dead = DeadTransaction(stage.bootstrap, by)
    dead.records(stage.alerts, {1: DEAD})
    assert unstable_partitions(stage.bootstrap, outputs) == [(stage.alerts, 1)]
    Leftovers(settings, stage.claims, outputs).sweep_as(by)
    # Brokers answer the end of a transaction before its markers are in all partitions.
    wait.until(lambda: not unstable_partitions(stage.bootstrap, outputs), "the markers")
    for topic in outputs:
        found = read_all(stage.bootstrap, topic, "read_uncommitted")
        swept = [record for record in found if record.value != b"dead"]
        assert [(r.key, r.value, r.headers) for r in swept] == [(SWEEP_KEY, None, ())] * PARTITIONS
        assert {r.partition for r in swept} == {
            p.partition for p in partitions_of(stage.bootstrap, [topic])
        }
        assert read_all(stage.bootstrap, topic) == []
    assert stage.committed() == {}


def test_at_least_once_reads_on_over_what_exactly_once_left_open(
    new_stage: NewStage, scorer: Scorer
) -> None:
    """It stays open in the outputs; its offsets are beyond every claim."""
    stage = new_stage(partitions=PARTITIONS)
    sent = stage.send(mixed(200))
    by = transactional_id(stage.settings())
    dead = DeadTransaction(stage.bootstrap, by)
    for topic in (stage.alerts, stage.dead):
        dead.records(topic, dict.fromkeys(range(PARTITIONS), DEAD))
    since_ms = int(time.time() * 1_000) - 3_600_000
    ends = stage.claim_ends()
    places = [
        TopicPartition(stage.claims, p, end, Receipt(since_ms, 0, end, by).text())
        for p, end in ends.items()
    ]
    dead.offsets(stage.group, places)
    assert not dead.known(), "a new producer would end it"
    score(stage, sent, DELIVERY="at-least-once")
    assert stage.committed() == ends
    check(read(stage), scorer)
