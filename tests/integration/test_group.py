"""What the whole group leaves undone, and what counts as lag, on a real broker."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from benchmarks.members import Member, Mode, killed_revoking
from consumer.monitoring.ownership import GroupWatch
from tests.broker import wait
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import good, produce

pytestmark = pytest.mark.kafka

UNOWNED = "fraud_scorer_unowned_partitions"
LAG = "fraud_scorer_group_lag"


def look(stage: Stage, **settings: str) -> dict[tuple[str, ...], float]:
    """Samples after one look at the stage's group, by name and values of the labels."""
    registry = CollectorRegistry()
    GroupWatch(stage.settings(**settings), registry).look()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def commit(stage: Stage, offsets: dict[int, int]) -> None:
    """Commit for the stage's group, which has no member."""
    places = [TopicPartition(stage.claims, p, offset) for p, offset in offsets.items()]
    client = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": stage.group})
    client.commit(offsets=places, asynchronous=False)
    client.close()


def delete(stage: Stage, before: dict[int, int]) -> None:
    """Delete what is before these offsets, as retention does."""
    places = [TopicPartition(stage.claims, p, offset) for p, offset in before.items()]
    client = AdminClient({"bootstrap.servers": stage.bootstrap})
    for done in client.delete_records(places).values():
        done.result(60)


@pytest.fixture
def open_transaction(new_stage: NewStage) -> Iterator[Stage]:
    """A partition with ten claims and five more in a transaction that nobody ends."""
    stage = new_stage(1)
    stage.send(list(good(10)))
    producer = Producer({"bootstrap.servers": stage.bootstrap, "transactional.id": stage.group})
    producer.init_transactions(60)
    producer.begin_transaction()
    for row in good(5):
        producer.produce(stage.claims, row.value)
    producer.flush(60)
    yield stage
    producer.abort_transaction(60)


def test_without_a_member_nobody_owns_anything(stage: Stage) -> None:
    for partition, count in enumerate((5, 0, 7, 20)):
        produce(stage.bootstrap, stage.claims, good(count), partition)
    commit(stage, {2: 7, 3: 10})
    delete(stage, {3: 15})
    found = look(stage)
    assert found[UNOWNED, stage.claims] == 4
    assert [found[LAG, stage.claims, p] for p in "0123"] == [5, 0, 0, 5]
    assert found["fraud_scorer_group_checks_failed_total",] == 0
    assert found["fraud_scorer_group_checked_timestamp_seconds",] > 0


def test_partitions_given_up_by_a_member_that_died(stage: Stage) -> None:
    """Partitions left behind by cooperative-sticky are counted, though both members are healthy."""
    mode = Mode("classic", "static", "cooperative-sticky")
    members = [
        Member(stage.bootstrap, stage.claims, stage.group, mode, name) for name in ("w0", "w1")
    ]
    try:
        killed_revoking(*members)
        wait.until(lambda: members[1].owned.value, "the member that is back")
        left = 4 - sum(member.owned.value.bit_count() for member in members)
        assert left > 0
        wait.until(lambda: look(stage)[UNOWNED, stage.claims] == left, "what nobody owns")
    finally:
        for member in members:
            member.kill()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_every_worker_reports_the_group_also_one_that_owns_nothing(
    new_stage: NewStage, protocol: str
) -> None:
    stage = new_stage(1)
    sent = stage.send(list(good(100)))
    settings = {"KAFKA_GROUP_PROTOCOL": protocol, "MEMBERSHIP": "dynamic"}
    workers = [stage.worker(name, **settings) for name in ("w1", "w2")]
    stage.wait_drained()
    for worker in workers:
        wait.until(lambda w=worker: reported(w, stage) == (0, 0), "the group's state")  # type: ignore[misc]
    owning = {worker.metrics()["fraud_scorer_assigned_partitions",] for worker in workers}
    assert owning == {0, 1}
    consumed = ("fraud_scorer_claims_consumed_total",)
    wait.until(lambda: sum(w.metrics()[consumed] for w in workers) == sent, "every claim counted")
    assert [worker.stop() for worker in workers] == [0, 0]


def reported(worker: Worker, stage: Stage) -> tuple[float | None, float | None]:
    """Partitions without an owner, and the lag of the group on partition 0."""
    if worker.get("/metrics") is None:
        return None, None
    found = worker.metrics()
    return found.get((UNOWNED, stage.claims)), found.get((LAG, "0", stage.claims))


def test_without_an_answer_it_is_unknown(stage: Stage) -> None:
    registry = CollectorRegistry()
    watch = GroupWatch(stage.settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9"), registry, 0.5)
    watch._metrics.unowned.labels(stage.claims).set(1)
    watch.look()
    found = {sample.name: sample.value for f in registry.collect() for sample in f.samples}
    assert found["fraud_scorer_group_checks_failed_total"] == 1
    assert found["fraud_scorer_group_checked_timestamp_seconds"] == 0
    assert UNOWNED not in found
    assert LAG not in found


def test_a_topic_that_is_not_there_is_unknown(stage: Stage) -> None:
    found = look(stage, CLAIMS_TOPIC=f"{stage.claims}-gone")
    assert found["fraud_scorer_group_checks_failed_total",] == 1
    assert not [key for key in found if key[0] == UNOWNED]


def test_what_a_transaction_holds_back_is_not_lag_of_the_group(open_transaction: Stage) -> None:
    stage = open_transaction
    registry = CollectorRegistry()
    watch = GroupWatch(stage.settings(), registry)
    label = {"topic": stage.claims, "partition": "0"}
    watch.look()
    assert registry.get_sample_value(LAG, label) == 10
    assert registry.get_sample_value("fraud_scorer_held_back", label) == 0
    watch.look()
    assert registry.get_sample_value("fraud_scorer_held_back", label) == 5


def lag_of(worker: Worker) -> float | None:
    """The worker's own lag of partition 0."""
    if worker.get("/metrics") is None:
        return None
    lags = [v for key, v in worker.metrics().items() if key[0] == "fraud_scorer_lag"]
    return sum(lags) if lags else None


def test_what_a_transaction_holds_back_is_not_lag_of_a_worker(open_transaction: Stage) -> None:
    stage = open_transaction
    commit(stage, {0: 10})
    worker = stage.worker()
    wait.until(lambda: lag_of(worker) == 0, "no lag")
    assert worker.metrics()["fraud_scorer_claims_consumed_total",] == 0


def test_what_was_deleted_is_not_lag_of_a_worker(new_stage: NewStage) -> None:
    stage = new_stage(1)
    stage.send(list(good(100)))
    commit(stage, {0: 10})
    delete(stage, {0: 100})
    worker = stage.worker()
    wait.until(lambda: lag_of(worker) == 0, "no lag")
    assert worker.metrics()["fraud_scorer_claims_consumed_total",] == 0
