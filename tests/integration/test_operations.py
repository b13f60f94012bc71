"""A running worker as its operator sees it."""

import pytest

from model.scoring.scorer import Scorer
from tests.broker import wait
from tests.harness.bad_records import BAD
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import bad, good, produce

pytestmark = pytest.mark.kafka


def lags(worker: Worker) -> dict[str, float]:
    """Reported lag by partition."""
    return {key[1]: v for key, v in worker.metrics().items() if key[0] == "fraud_scorer_lag"}


def test_metrics_and_health_of_a_running_worker(stage: Stage, scorer: Scorer) -> None:
    rows = [*good(2_000), *(bad(kind) for kind in BAD)]
    # In a transaction: nobody sees the marker at its end as a record, so it is not lag.
    produce(stage.bootstrap, stage.claims, rows, transaction=stage.group)
    worker = stage.worker().ready()
    health = worker.get("/healthz")
    assert health is not None
    assert (health.status, health.text) == (200, "ok")
    consumed = ("fraud_scorer_claims_consumed_total",)
    wait.until(lambda: worker.metrics()[consumed] == len(rows), "all claims")
    wait.until(lambda: lags(worker) == dict.fromkeys("0123", 0.0), "no lag on four partitions")
    found = worker.metrics()
    assert found["fraud_scorer_claims_scored_total",] == 2_000
    reasons = {key[1]: v for key, v in found.items() if key[0] == "fraud_scorer_dead_letters_total"}
    kinds = [reason.value for _, reason, _ in BAD.values()]
    assert reasons == {reason: kinds.count(reason) for reason in kinds}
    assert found["fraud_scorer_claim_latency_seconds_count",] == len(rows)
    assert found["fraud_scorer_fraud_probability_count",] == 2_000
    committed = found["fraud_scorer_transactions_total", "committed"]
    assert committed == found["fraud_scorer_batch_size_count",] >= 3
    for stage_name in ("poll", "process", "publish"):
        assert found["fraud_scorer_stage_seconds_count", stage_name] >= committed
    assert found["fraud_scorer_assigned_partitions",] == 4
    (model,) = (key for key in found if key[0] == "fraud_scorer_model_info")
    assert {scorer.name, scorer.version, scorer.sha256} < {*model}
    assert found["process_resident_memory_bytes",] > 0
    missing = worker.get("/nowhere")
    assert missing is not None
    assert missing.status == 404
    assert worker.stop() == 0
    assert not [line for line in worker.log.splitlines() if not line.startswith("{")]
    assert len(worker.log.splitlines()) < 50, "logs are per batch at most"


def test_lag_is_known_before_the_first_commit(stage: Stage) -> None:
    sent = stage.send(list(good(4_000)))
    worker = stage.worker(BATCH_SIZE="1")
    wait.until(lambda: worker.get("/metrics") and len(lags(worker)) == 4, "lag of every partition")
    assert 0 < sum(lags(worker).values()) <= sent


def test_lag_after_a_partition_came_back(stage: Stage) -> None:
    first = stage.worker("w1", MEMBERSHIP="dynamic").ready()
    stage.send(list(good(400)))
    stage.wait_drained()
    wait.until(lambda: len(lags(first)) == 4, "four partitions")
    second = stage.worker("w2", MEMBERSHIP="dynamic").ready()
    wait.until(lambda: len(lags(first)) == 2, "two partitions")
    stage.send(list(good(400)))
    stage.wait_drained()
    assert second.stop() == 0
    wait.until(lambda: len(lags(first)) == 4, "four partitions again")
    assert sum(lags(first).values()) == 0, "what the other worker did is reported as lag"


def test_not_ready_without_partitions(new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    stage.worker("w1").ready()
    spare = stage.worker("w2")
    wait.until(lambda: joined(spare), "the second worker")
    answer = spare.get("/readyz")
    assert answer is not None
    assert (answer.status, answer.text) == (503, "no partitions assigned")
    health = spare.get("/healthz")
    assert health is not None
    assert health.status == 200


def joined(worker: Worker) -> bool:
    """True if it has been assigned its partitions: none."""
    return '"message":"assigned nothing"' in worker.log
