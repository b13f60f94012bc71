"""Counts of a batch: only what was committed, and only once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from consumer.batch.process import Outcome
from consumer.models.drift import DriftMonitor
from consumer.models.shadow import Shadow
from consumer.telemetry.metrics import Metrics
from consumer.worker.observe import Counted, Observer
from model.datasets.dataset import load as load_claims
from model.scoring.decisions import decided
from model.scoring.load import load
from model.scoring.scorer import Scorer
from schemas.alert import Band, Decision
from schemas.claim import Claim

CLAIMS = load_claims("synthetic", "jsonl", rows=60).claims


@pytest.fixture(scope="module")
def scorer(model_dir: Path) -> Scorer:
    return load(model_dir)


def outcome(scorer: Scorer, claims: Sequence[Claim]) -> Outcome:
    """Of a batch with nothing but good claims."""
    return Outcome(
        alerts=[],
        dead_letters=[],
        offsets={},
        outcomes={},
        reasons=Counter(),
        referred=0,
        claims=list(claims),
        assessment=scorer.assess(claims),
    )


class Watched:
    """An observer with a shadow, and what it has counted so far."""

    def __init__(self, model_dir: Path) -> None:
        self.metrics = Metrics()
        self.observer = Observer(self.metrics, Shadow(model_dir, self.metrics))
        self.observer._drift = self.drift = DriftMonitor(self.metrics, window=1_000)

    def counted(self) -> tuple[int, int]:
        """Claims counted for drift, and for the shadow model."""
        name = "fraud_scorer_shadow_probability_count"
        return self.drift._window.claims, int(self.metrics.registry.get_sample_value(name) or 0)


@pytest.fixture
def watched(model_dir: Path) -> Watched:
    return Watched(model_dir)


def test_a_batch_counts_once_it_is_committed(watched: Watched, scorer: Scorer) -> None:
    batch = outcome(scorer, CLAIMS[:10])
    seen = watched.observer.measure(batch, scorer)
    assert watched.counted() == (0, 0)
    watched.observer.committed(Counted.of(batch), seen, np.zeros(10), 1.0)
    assert watched.counted() == (10, 10)


def test_an_aborted_batch_that_is_read_again_counts_once(watched: Watched, scorer: Scorer) -> None:
    aborted, again = outcome(scorer, CLAIMS[:10]), outcome(scorer, CLAIMS[:10])
    watched.observer.measure(aborted, scorer)
    watched.observer.committed(
        Counted.of(again), watched.observer.measure(again, scorer), np.zeros(10), 1.0
    )
    assert watched.counted() == (10, 10)


def test_a_batch_without_claims_measures_nothing(watched: Watched, scorer: Scorer) -> None:
    batch = outcome(scorer, [])._replace(assessment=None)
    assert watched.observer.measure(batch, scorer) is None
    watched.observer.committed(Counted.of(batch), None, np.zeros(3), 1.0)
    assert watched.counted() == (0, 0)
    assert watched.metrics.registry.get_sample_value("fraud_scorer_claims_consumed_total") == 3


def test_latency_is_counted_up_to_the_commit(watched: Watched, scorer: Scorer) -> None:
    batch = outcome(scorer, CLAIMS[:2])
    watched.observer.committed(Counted.of(batch), None, np.array([9_000.0, 11_000.0]), 10.0)
    name = "fraud_scorer_claim_latency_seconds_sum"
    assert watched.metrics.registry.get_sample_value(name) == 1.0


def test_decisions_bands_and_the_control_sample_are_counted(
    watched: Watched, scorer: Scorer
) -> None:
    batch = outcome(scorer, CLAIMS)
    assert batch.assessment is not None
    batch = batch._replace(assessment=batch.assessment._replace(control=[True] * 7 + [False] * 53))
    assert batch.assessment is not None
    watched.observer.committed(
        Counted.of(batch), watched.observer.measure(batch, scorer), np.zeros(60), 1.0
    )

    def value(name: str, **labels: str) -> float:
        return watched.metrics.registry.get_sample_value(f"fraud_scorer_{name}_total", labels) or 0

    decisions = Counter(decided(batch.assessment))
    bands = Counter(batch.assessment.decisions.band)
    assert len(decisions) > 1
    assert len(bands) > 1
    for decision in Decision:
        assert value("decisions", decision=decision.value) == decisions[decision]
    for band in Band:
        assert value("bands", band=band.value) == bands[band]
    assert value("control_claims") == 7


def test_unknown_fields_of_committed_claims_are_counted(scorer: Scorer, watched: Watched) -> None:
    batch = outcome(scorer, CLAIMS)
    batch = batch._replace(unknown_fields=[("odd",), *[()] * (len(CLAIMS) - 1)])
    watched.observer.committed(Counted.of(batch), None, np.zeros(len(CLAIMS)), 1.0)
    found = watched.metrics.registry.get_sample_value
    assert found("fraud_scorer_unknown_fields_total", {"field": "odd"}) == 1


def test_a_capacity_is_shown_if_it_is_stated() -> None:
    name = "fraud_scorer_referral_capacity"
    stated, silent = Metrics(), Metrics()
    stated.state_capacity(40)
    silent.state_capacity(0)
    assert stated.registry.get_sample_value(name) == 40
    assert silent.registry.get_sample_value(name) is None
