"""One outcome for each claim, whatever happens to the workers."""

import signal
from collections.abc import Callable

import pytest

from consumer.batch.decode import decode
from model.scoring.decisions import control_sample, decided
from model.scoring.scorer import Scorer
from schemas.alert import Decision
from tests.broker import wait
from tests.broker.read import read_all
from tests.harness.bad_records import BAD
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import KIND, mixed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

CLAIMS = 20_000


def test_two_workers_share_the_topic(stage: Stage, scorer: Scorer) -> None:
    workers = [stage.worker(name) for name in ("w1", "w2")]
    for worker in workers:
        worker.ready()
        wait.until(
            lambda w=worker: w.metrics()["fraud_scorer_assigned_partitions",] == 2,  # type: ignore[misc]
            "half of the partitions",
        )
    sent = stage.send(mixed(CLAIMS))
    stage.wait_drained()
    for worker in workers:
        assert worker.metrics()["fraud_scorer_claims_consumed_total",] > sent / 10
        assert worker.stop() == 0, worker.log
    found = read(stage)
    assert len(found.claims) == sent > CLAIMS * 1.02
    assert {letter.reason for _, letter, _ in found.letters} == {
        reason for _, reason, _ in BAD.values()
    }
    check(found, scorer)


def end_mid_stream(
    stage: Stage, end: Callable[[Worker], object], count: int, **settings: str
) -> Worker:
    """Send claims and end a worker amid them; with more claims if it was through by then."""
    for seed in range(5):
        stage.send(mixed(count, seed))
        before = stage.published()
        worker = stage.worker(BATCH_SIZE="5", **settings)
        stage.wait_published(before + 200, worker)
        end(worker)
        assert stage.published() > before + 200
        if not stage.drained():
            return worker
    raise AssertionError("ended too late each time: nothing was left to do")


def test_no_loss_and_no_duplicate_when_killed(stage: Stage, scorer: Scorer) -> None:
    for _ in range(2):
        end_mid_stream(stage, Worker.kill, CLAIMS // 2)
    worker = stage.worker()
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    check(read(stage), scorer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_commits_the_batch_in_hand(
    stage: Stage, scorer: Scorer, number: signal.Signals
) -> None:
    def end(worker: Worker) -> None:
        assert worker.stop(number) == 0, worker.log

    worker = end_mid_stream(stage, end, 5_000)
    assert '"message":"stopped; every batch in flight was committed"' in worker.log
    committed = stage.committed()
    assert committed
    found = read(stage)
    done = {p: r for p, r in found.claims.items() if r.offset < committed.get(r.partition, 0)}
    check(found._replace(claims=done), scorer)
    every = read_all(stage.bootstrap, stage.alerts, "read_uncommitted")
    assert len(every) == len(found.alerts), "an alert was published and not committed"


def test_referrals_only(stage: Stage, scorer: Scorer) -> None:
    stage.send(mixed(3_000))
    worker = stage.worker(PUBLISH="referrals")
    stage.wait_drained()
    counted = ("fraud_scorer_claims_scored_total",)
    wait.until(lambda: worker.metrics()[counted] == 3_000, "the last batch to be counted")
    metrics = worker.metrics()
    assert worker.stop() == 0
    found = read(stage)
    assert len(found.alerts) > 50
    assert all(alert.fraudulent for _, alert, _ in found.alerts)
    assert metrics["fraud_scorer_claims_referred_total",] == len(found.alerts)
    scored = metrics[counted]
    assert scored == 3_000 == len(found.claims) - len(found.letters)
    left_out = [found.claims[place] for place in found.claims.keys() - found.places().keys()]
    check(found._replace(claims={p: found.claims[p] for p in found.places()}), scorer)
    assert len(left_out) == scored - len(found.alerts)


def test_what_is_actionable_is_published_once_whatever_is_killed(
    stage: Stage, scorer: Scorer
) -> None:
    settings = {"PUBLISH": "actionable", "CONTROL_SHARE": "0.1"}
    for _ in range(2):
        end_mid_stream(stage, Worker.kill, 2_000, **settings)
    worker = stage.worker(**settings)
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    found = read(stage)
    places = found.places()
    assert set(places.values()) == {1}
    good = {place: r for place, r in found.claims.items() if KIND not in dict(r.headers)}
    claims = [decode(record.value, (), scorer.decoder).claim for record in good.values()]
    drawn = control_sample([claim.claim_id for claim in claims], 0.1)
    assessment = scorer.assess(claims)
    acted = [d is not Decision.PASS for d in decided(assessment)]
    wanted = {p for p, one, two in zip(good, acted, drawn, strict=True) if one or two}
    assert {place for place, *_ in found.alerts} == wanted
    assert {alert.claim_id for _, alert, _ in found.alerts if alert.control} == {
        claim.claim_id for claim, chosen in zip(claims, drawn, strict=True) if chosen
    }
    assert {place for place, *_ in found.letters} == found.claims.keys() - good.keys()


def test_at_least_once_loses_nothing_when_killed(stage: Stage, scorer: Scorer) -> None:
    for _ in range(2):
        end_mid_stream(stage, Worker.kill, 5_000, DELIVERY="at-least-once")
    worker = stage.worker(DELIVERY="at-least-once")
    stage.wait_drained()
    assert worker.stop() == 0
    check(read(stage), scorer, duplicates=True)
