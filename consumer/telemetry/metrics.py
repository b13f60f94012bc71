"""All metrics of the product, declared once. Updated once per batch, never per claim.

A process registers only those of its kind: what it never counts has no series.
"""

import collections
import itertools
from collections.abc import Collection, Iterable
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)

from consumer.telemetry.histogram import BulkHistogram
from schemas.alert import Band, Decision
from schemas.dead_letter import Reason

LATENCY_BOUNDS_S: Final = (
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0,
)  # fmt: skip
STAGE_BOUNDS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
NAMED_FIELDS: Final = 50
OTHER: Final = "(others)"
SHOWN_IDS: Final = 5
LONGEST_ID: Final = 200
BATCH_BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
PROBABILITY_BOUNDS: Final = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
)  # fmt: skip


class ProcessMetrics:
    """Metrics of every process that answers /metrics, in its own registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "fraud_scorer_http_requests", "HTTP requests by status.", ["status"], registry=registry
        )
        ProcessCollector(registry=registry)
        for standard in (PLATFORM_COLLECTOR, GC_COLLECTOR):
            registry.register(standard)

    def answered(self, status: int) -> None:
        """Count an HTTP request by its status."""
        self.requests.labels(str(status)).inc()


class ModelMetrics(ProcessMetrics):
    """Metrics of a process with a model."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.model = Info("fraud_scorer_model", "The model in service.", registry=registry)
        self.model_loaded_at = Gauge(
            "fraud_scorer_model_loaded_timestamp_seconds",
            "When the model in service was loaded.",
            registry=registry,
        )
        self.model_created_at = Gauge(
            "fraud_scorer_model_created_timestamp_seconds",
            "When the model in service was trained.",
            registry=registry,
        )
        self.models_refused = Counter(
            "fraud_scorer_models_refused",
            "Promoted models that could not be loaded.",
            registry=registry,
        )
        self.unknown_claims = Counter(
            "fraud_scorer_claims_with_unknown_fields",
            "Claims that were sent with fields their contract does not know.",
            registry=registry,
        )
        self.unknown_fields = Counter(
            "fraud_scorer_unknown_fields",
            "Claims by field that their contract does not know.",
            ["field"],
            registry=registry,
        )
        self.unknown_fields.labels(OTHER)
        self._unknown_names: set[str] = set()

    def count_unknown(self, found: Iterable[Collection[str]]) -> None:
        """Count the unknown fields of claims.

        Senders choose the names: those after the first `NAMED_FIELDS` are counted as `OTHER`.
        """
        claims = [names for names in found if names]
        if not claims:
            return
        self.unknown_claims.inc(len(claims))
        for name, count in collections.Counter(itertools.chain.from_iterable(claims)).items():
            if len(self._unknown_names) < NAMED_FIELDS:
                self._unknown_names.add(name)
            label = name if name in self._unknown_names else OTHER
            self.unknown_fields.labels(label).inc(count)


class ServingMetrics(ModelMetrics):
    """Metrics of the scorer behind POST /fraud-detection."""

    def __init__(self) -> None:
        super().__init__()
        self.request_seconds = Histogram(
            "fraud_scorer_http_request_seconds",
            "Seconds to answer POST /fraud-detection.",
            buckets=STAGE_BOUNDS_S,
            registry=self.registry,
        )


class ForwardingMetrics:
    """Metrics of claims that are forwarded to Kafka, next to those of the scorer."""

    def __init__(self, metrics: ServingMetrics) -> None:
        self.forwarded = Counter(
            "fraud_scorer_claims_forwarded",
            "Posted claims that Kafka acknowledged.",
            registry=metrics.registry,
        )
        self.failed = Counter(
            "fraud_scorer_claims_not_forwarded",
            "Posted claims that were not scored because Kafka did not take them.",
            ["reason"],
            registry=metrics.registry,
        )


class Metrics(ModelMetrics):
    """Metrics of the worker."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.consumed = Counter(
            "fraud_scorer_claims_consumed", "Records consumed and committed.", registry=registry
        )
        self.scored = Counter(
            "fraud_scorer_claims_scored", "Claims scored and committed.", registry=registry
        )
        self.referred = Counter(
            "fraud_scorer_claims_referred", "Claims at or above the threshold.", registry=registry
        )
        self.decided = Counter(
            "fraud_scorer_decisions",
            "Claims by decision, rules included.",
            ["decision"],
            registry=registry,
        )
        self.bands = Counter(
            "fraud_scorer_bands",
            "Claims by band of the fraud probability.",
            ["band"],
            registry=registry,
        )
        self.control = Counter(
            "fraud_scorer_control_claims",
            "Claims in the random control sample.",
            registry=registry,
        )
        self.dead_lettered = Counter(
            "fraud_scorer_dead_letters", "Records refused.", ["reason"], registry=registry
        )
        self.batch_size = Histogram(
            "fraud_scorer_batch_size", "Records per batch.", buckets=BATCH_BOUNDS, registry=registry
        )
        self.stage = Histogram(
            "fraud_scorer_stage_seconds",
            "Seconds a batch spent in each stage.",
            ["stage"],
            buckets=STAGE_BOUNDS_S,
            registry=registry,
        )
        self.latency = BulkHistogram(
            "fraud_scorer_claim_latency_seconds",
            "Seconds from the record's timestamp to the commit of its outcome.",
            LATENCY_BOUNDS_S,
        )
        self.probability = BulkHistogram(
            "fraud_scorer_fraud_probability", "Distribution of scores.", PROBABILITY_BOUNDS
        )
        self.lag = Gauge(
            "fraud_scorer_lag",
            "Records in the worker's partitions that can be read but are not committed.",
            ["topic", "partition"],
            registry=registry,
        )
        self.assigned = Gauge(
            "fraud_scorer_assigned_partitions", "Partitions currently assigned.", registry=registry
        )
        self.blocked = Gauge(
            "fraud_scorer_open_transaction_seconds",
            "How long a transaction that nobody ends blocks a partition, and from which offset.",
            ["topic", "partition", "offset", "transactional_ids"],
            registry=registry,
        )
        self.transactions = Counter(
            "fraud_scorer_transactions",
            "Batches by outcome: committed or aborted.",
            ["outcome"],
            registry=registry,
        )
        self.rebalances = Counter(
            "fraud_scorer_rebalances", "Rebalances handled.", registry=registry
        )
        self.drift_psi = Gauge(
            "fraud_scorer_drift_psi",
            "Population stability index of a feature over the last window of claims.",
            ["feature"],
            registry=registry,
        )
        self.score_psi = Gauge(
            "fraud_scorer_score_psi",
            "Population stability index of the fraud probability over the last window of claims.",
            registry=registry,
        )
        self.drift_windows = Counter(
            "fraud_scorer_drift_windows", "Windows of claims measured for drift.", registry=registry
        )
        self.shadow_probability = BulkHistogram(
            "fraud_scorer_shadow_probability",
            "Distribution of the shadow model's scores.",
            PROBABILITY_BOUNDS,
        )
        self.shadow_agreement = Counter(
            "fraud_scorer_shadow_claims",
            "Claims by what the model in service and the shadow model would refer.",
            ["referred", "shadow_referred"],
            registry=registry,
        )
        self.shadow_failed = Gauge(
            "fraud_scorer_shadow_failed",
            "1 if the shadow model raised an error and was switched off.",
            registry=registry,
        )
        for collector in (self.latency, self.probability, self.shadow_probability):
            registry.register(collector)
        for outcome in ("committed", "aborted"):
            self.transactions.labels(outcome)
        for reason in Reason:
            self.dead_lettered.labels(reason.value)
        for decision in Decision:
            self.decided.labels(decision.value)
        for band in Band:
            self.bands.labels(band.value)

    def state_capacity(self, referrals: int) -> None:
        """Export how many referrals a day can be investigated; nothing if that is not stated."""
        if referrals:
            Gauge(
                "fraud_scorer_referral_capacity",
                "Referrals that can be investigated in a day (REFERRAL_CAPACITY).",
                registry=self.registry,
            ).set(referrals)

    def set_blocked(
        self, blocked: Iterable[tuple[str, int, int, frozenset[str]]], seconds: float
    ) -> None:
        """Replace the partitions that an open transaction blocks."""
        self.blocked.clear()
        for topic, partition, offset, ids in blocked:
            where = topic, str(partition), str(offset), _few(ids)
            self.blocked.labels(*where).set(seconds)

    def set_lags(self, lags: Iterable[tuple[tuple[str, int], int]]) -> None:
        """Replace the lag of every partition: partitions given up are no longer reported."""
        self.lag.clear()
        for (topic, partition), lag in lags:
            self.lag.labels(topic, str(partition)).set(lag)


def _few(ids: Collection[str]) -> str:
    """Transactional ids as a label: other programs choose how many there are and how long."""
    shown = [name[:LONGEST_ID] for name in sorted(ids)[:SHOWN_IDS]]
    more = len(ids) - len(shown)
    return ",".join([*shown, *([f"and {more} more"] if more else [])])
