"""A transaction that is not whole, on a real Kafka: what is missing is scored, the rest is not.

What a broker that died can leave (docs/exactly-once.md) is made here by hand: outcomes that are
visible while the offsets were taken back, and offsets that are committed while outcomes are lost.
"""

import re
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.kafka.receipts import Receipt
from model.scoring.scorer import Scorer
from schemas.dead_letter import Header
from tests.broker import wait
from tests.broker.read import committed
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage
from tests.integration.traffic import mixed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DYNAMIC = {"MEMBERSHIP": "dynamic"}
LONG_AGO_MS = int(time.time() * 1_000) - 3_600_000


def leave(stage: Stage, offsets: dict[int, tuple[int, Receipt | None]]) -> None:
    """Commit offsets with receipts, as a worker that is gone would have left them."""
    consumer = Consumer(
        {"bootstrap.servers": stage.bootstrap, "group.id": stage.group, "enable.auto.commit": False}
    )
    places = [
        TopicPartition(stage.claims, p, offset)
        if receipt is None
        else TopicPartition(stage.claims, p, offset, receipt.text())
        for p, (offset, receipt) in offsets.items()
    ]
    for place in consumer.commit(offsets=places, asynchronous=False) or []:
        assert place.error is None
    consumer.close()


def receipt(begin: int, outcomes: int) -> Receipt:
    return Receipt(LONG_AGO_MS, begin, outcomes, "gone/w9")


def score(stage: Stage, outcomes: int | None = None, **settings: str) -> str:
    """Run a worker to the last claim, or until this many have outcomes; returns its log."""
    worker = stage.worker(**(DYNAMIC | settings)).ready()
    if outcomes is not None:
        wait.until(lambda: len(read(stage).places()) >= outcomes, "the outcomes")
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    return worker.log


def ends(stage: Stage) -> dict[int, int]:
    return committed(stage.bootstrap, stage.group, stage.claims)


def test_outcomes_whose_offsets_were_taken_back_are_not_repeated(
    stage: Stage, scorer: Scorer
) -> None:
    stage.send(mixed(2_000))
    score(stage)
    done = ends(stage)
    leave(stage, {p: (end // 2, receipt(0, end // 2)) for p, end in done.items()})
    assert "was incomplete: 0 outcomes are missing" in score(stage)
    check(read(stage), scorer)


def test_claims_whose_outcomes_are_lost_are_scored(stage: Stage, scorer: Scorer) -> None:
    sent = stage.send(mixed(1_000))
    score(stage)
    sent += stage.send(mixed(1_000, seed=2))
    leave(stage, {p: (end, receipt(0, end)) for p, end in stage.claim_ends().items()})
    assert "outcomes are missing" in score(stage, sent)
    check(read(stage), scorer)


def test_a_worker_that_believes_offsets_alone_is_caught(stage: Stage) -> None:
    """The states made here are ones that only the look at the outputs gets right."""
    stage.send(mixed(200))
    score(stage)
    done = ends(stage)
    leave(stage, {p: (end // 2, receipt(0, end // 2)) for p, end in done.items()})
    flawed = stage.command("sweep-believed", module="tests.integration.flawed", **DYNAMIC).ready()
    stage.wait_drained()
    flawed.kill()
    assert max(read(stage).places().values()) == 2


def test_it_is_found_again_when_the_worker_dies_on_the_way(stage: Stage, scorer: Scorer) -> None:
    """Outcomes beyond the offset stay known until the last of them is passed."""
    stage.send(mixed(2_000))
    score(stage)
    done = ends(stage)
    leave(stage, {p: (1, receipt(0, 1)) for p in done})
    short = {"KAFKA_SESSION_TIMEOUT_MS": "6000"}  # the next one waits for its end
    for seed in (2, 3):  # there is work for each, however late the one before it was killed
        stage.send(mixed(2_000, seed=seed))
        before = stage.published()
        worker = stage.worker(BATCH_SIZE="5", **DYNAMIC, **short)
        stage.wait_published(before + 100, worker)
        worker.kill()
    score(stage)
    check(read(stage), scorer)


def test_at_least_once_scores_what_exactly_once_has_lost(stage: Stage, scorer: Scorer) -> None:
    sent = stage.send(mixed(500))
    leave(stage, {p: (end, receipt(0, end)) for p, end in stage.claim_ends().items()})
    score(stage, sent, DELIVERY="at-least-once")
    check(read(stage), scorer)


def test_what_a_worker_that_never_comes_back_left_open_is_ended(
    stage: Stage, scorer: Scorer
) -> None:
    stage.send(mixed(500))
    gone = f"{stage.group}/gone"
    leave(stage, {p: (0, Receipt(LONG_AGO_MS, 0, 0, gone)) for p in stage.claim_ends()})
    left = Producer(
        {
            "bootstrap.servers": stage.bootstrap,
            "transactional.id": gone,
            "transaction.timeout.ms": 600_000,
        }
    )
    left.init_transactions(60)
    left.begin_transaction()
    headers: list[Header] = [
        ("ce_id", f"{stage.claims}-0-0-abc"),
        ("ce_source", f"/{stage.claims}/0"),
    ]
    left.produce(stage.alerts, b"{}", b"k", partition=0, headers=headers)
    assert left.flush(60) == 0
    reader = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": stage.group})
    left.send_offsets_to_transaction(
        [TopicPartition(stage.claims, 0, 9)], reader.consumer_group_metadata(), 60
    )
    reader.close()
    log = score(stage, KAFKA_TRANSACTION_TIMEOUT_MS="2000")
    assert f"ended the transactions that {gone} had left open" in log
    # Offsets of the group are held back as well: what is met first is a matter of time.
    blocked = rf"({stage.alerts}\[0\]@0|{stage.claims}\[0\]@\d+) \(transactional id: {gone}\)"
    assert re.search(blocked, log)
    check(read(stage), scorer)


def test_offsets_that_somebody_set_are_believed(stage: Stage) -> None:
    """kafka-consumer-groups.sh leaves no receipt: scoring again, or not at all, is meant."""
    stage.send(mixed(500))
    leave(stage, {p: (end, None) for p, end in stage.claim_ends().items()})
    sent = stage.send(mixed(20, seed=2))
    score(stage)
    assert len(read(stage).places()) == sent
