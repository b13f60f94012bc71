"""The bulk histogram against the client library's own, and the instruments."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.models.drift import DriftMonitor, Measured
from consumer.outcomes.metrics import OutcomeMetrics
from consumer.telemetry.histogram import BulkHistogram
from consumer.telemetry.metrics import (
    LATENCY_BOUNDS_S,
    NAMED_FIELDS,
    OTHER,
    PROBABILITY_BOUNDS,
    Metrics,
    ProcessMetrics,
    ServingMetrics,
)
from model.drift import Bins, Window

BOUNDS = (0.1, 0.5, 1.0, 2.5, 10.0)
values = st.lists(st.sampled_from([0.0, *BOUNDS, 99.0]) | st.floats(0, 20), max_size=50)


def exposed(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample but the time of creation."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (s.name, tuple(sorted((n, f"{float(v):g}") for n, v in s.labels.items()))): s.value
        for family in families
        for s in family.samples
        if not s.name.endswith("_created")
    }


@given(st.lists(values, max_size=5))
def test_bulk_equals_one_by_one(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("latency", "Seconds.", BOUNDS)
    ours.register(bulk)
    oracle = Histogram("latency", "Seconds.", buckets=BOUNDS, registry=theirs)
    for batch in batches:
        bulk.observe(np.array(batch, dtype=float))
        for value in batch:
            oracle.observe(value)
    assert exposed(ours) == pytest.approx(exposed(theirs))


@pytest.mark.parametrize("bounds", [LATENCY_BOUNDS_S, PROBABILITY_BOUNDS])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_quantiles_are_bounds() -> None:
    bulk = BulkHistogram("h", "H.", BOUNDS)
    assert math.isnan(bulk.quantile(0.5))
    bulk.observe(np.array([0.05] * 60 + [0.7] * 30 + [50.0] * 10))
    assert [bulk.quantile(q) for q in (0.5, 0.6, 0.61, 0.9, 0.99)] == [
        0.1, 0.1, 1.0, 1.0, math.inf,
    ]  # fmt: skip


def test_lags_of_partitions_given_up_are_gone() -> None:
    metrics = Metrics()
    metrics.set_lags([(("claims", 0), 5), (("claims", 1), 0)])
    metrics.set_lags([(("claims", 1), 3)])
    text = generate_latest(metrics.registry).decode()
    assert 'fraud_scorer_lag{partition="1",topic="claims"} 3.0' in text
    assert 'partition="0"' not in text


def test_outcomes_are_there_before_the_first_transaction() -> None:
    text = generate_latest(Metrics().registry).decode()
    for outcome in ("committed", "aborted"):
        assert f'fraud_scorer_transactions_total{{outcome="{outcome}"}} 0.0' in text


def test_every_instrument_is_described_and_named_alike() -> None:
    metrics = Metrics()
    metrics.model.info({"version": "1"})
    families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    ours = [f for f in families if not f.name.startswith(("process_", "python_"))]
    assert len(ours) > 10
    for family in ours:
        assert family.name.startswith("fraud_scorer_")
        assert family.documentation.endswith(".")


def own(metrics: ProcessMetrics) -> set[str]:
    """Names of the product's instruments, without those every process has."""
    names = {found.name for found in metrics.registry.collect()}
    return {name for name in names if name.startswith("fraud_scorer_")} - {
        "fraud_scorer_http_requests"
    }


def test_a_process_has_no_series_of_what_it_never_counts() -> None:
    outcomes = ProcessMetrics()
    OutcomeMetrics(outcomes)
    assert own(outcomes) == {
        "fraud_scorer_live_precision",
        "fraud_scorer_live_recall",
        "fraud_scorer_decided_claims",
        "fraud_scorer_outcomes_unreadable",
        "fraud_scorer_outcome_claims",
        "fraud_scorer_outcome_dead_letters",
        "fraud_scorer_amount_saved",
    }
    serving, worker = own(ServingMetrics()), own(Metrics())
    assert serving - worker == {"fraud_scorer_http_request_seconds"}
    assert {name for name in serving & worker if "model" not in name} == {
        "fraud_scorer_claims_with_unknown_fields",
        "fraud_scorer_unknown_fields",
    }


def test_registries_do_not_share_counts() -> None:
    first, second = Metrics(), Metrics()
    first.consumed.inc()
    assert "fraud_scorer_claims_consumed_total 0.0" in generate_latest(second.registry).decode()


def test_a_label_is_short_however_many_transactions_others_leave_open() -> None:
    metrics = Metrics()
    ids = frozenset(f"{number:03}" + "x" * 30_000 for number in range(300))
    metrics.set_blocked([("claims", 0, 7, ids), ("claims", 1, 7, frozenset({"b", "a"}))], 5.0)
    (family,) = metrics.blocked.collect()
    first, second = (sample.labels["transactional_ids"] for sample in family.samples)
    assert first.endswith(",and 295 more")
    assert len(first) < 1_100
    assert second == "a,b"


def test_drift_of_a_feature_that_the_model_no_longer_has_is_not_shown() -> None:
    metrics = Metrics()
    monitor = DriftMonitor(metrics, window=2)
    for sha256, feature in (("one", "age"), ("two", "amount")):
        window = Window({feature: Bins((0.5,), (5, 5, 0))})
        window.add(np.array([[0.0], [1.0]]), (feature,), np.array([0.1, 0.2]))
        monitor.add(Measured(sha256, window))
    (family,) = metrics.drift_psi.collect()
    assert [sample.labels["feature"] for sample in family.samples] == ["amount"]


def test_unknown_fields_are_counted_by_name_up_to_a_bound() -> None:
    for metrics in (Metrics(), ServingMetrics()):
        metrics.count_unknown([("odd",), (), ("odd", "rare")])
        metrics.count_unknown([(f"f{n}",) for n in range(500)])
        counted = {
            sample.labels["field"]: sample.value
            for sample in next(iter(metrics.unknown_fields.collect())).samples
            if sample.name.endswith("_total")
        }
        assert (counted["odd"], counted["rare"]) == (2, 1)
        assert len(counted) == NAMED_FIELDS + 1
        assert sum(counted.values()) == 503
        assert counted[OTHER] == 503 - 3 - (NAMED_FIELDS - 2)
        name = "fraud_scorer_claims_with_unknown_fields_total"
        assert metrics.registry.get_sample_value(name) == 502
