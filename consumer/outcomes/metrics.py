"""Metrics of the outcomes process."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge

from consumer.outcomes.live_quality import LiveQuality, precision, recall
from consumer.telemetry.metrics import ProcessMetrics
from schemas.dead_letter import Reason
from schemas.outcome import Finding, Occasion

VERSIONS: Final = 20
"""Number of model versions with their own series; all others are combined in one more."""
UNSTATED: Final = "unstated"
"""Label of outcomes that do not say why their claim was investigated."""


class OutcomeMetrics:
    """What outcomes say about the model, and about themselves."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        registry, label = metrics.registry, ["model_version"]
        self.precision = Gauge(
            "fraud_scorer_live_precision",
            "Frauds among decided claims that were referred.",
            label,
            registry=registry,
        )
        self.recall = Gauge(
            "fraud_scorer_live_recall",
            "Referred claims among decided frauds.",
            label,
            registry=registry,
        )
        self.decided = Gauge(
            "fraud_scorer_decided_claims",
            "Claims with an outcome that says fraud or not.",
            [*label, "referred", "fraud"],
            registry=registry,
        )
        self.findings = Gauge(
            "fraud_scorer_outcome_claims",
            "Claims by their latest finding, and by why they were investigated.",
            ["finding", "source"],
            registry=registry,
        )
        self.saved = Gauge(
            "fraud_scorer_amount_saved",
            "Amount saved according to the latest outcome of each claim.",
            registry=registry,
        )
        self.unreadable = Counter(
            "fraud_scorer_outcomes_unreadable",
            "Records of the alerts or outcomes topic that could not be read.",
            ["topic"],
            registry=registry,
        )
        self.dead_lettered = Counter(
            "fraud_scorer_outcome_dead_letters",
            "Outcome records refused and set aside.",
            ["reason"],
            registry=registry,
        )
        for reason in Reason:
            self.dead_lettered.labels(reason.value)

    def show(self, quality: LiveQuality) -> None:
        """Set every gauge and remove series that no longer have a value."""
        cells = quality.summed(VERSIONS)
        versions = {cell.model_version for cell in cells}
        _set(
            self.decided,
            {(c.model_version, str(c.referred), str(c.fraud)): cells[c] for c in cells},
        )
        _set(self.precision, {(v,): precision(cells, v) for v in versions})
        _set(self.recall, {(v,): recall(cells, v) for v in versions})
        for finding in Finding:
            for source in (*Occasion, None):
                count = quality.findings[finding, source]
                self.findings.labels(finding.value, source or UNSTATED).set(count)
        self.saved.set(quality.saved)


def _set(gauge: Gauge, values: Mapping[tuple[str, ...], float | None]) -> None:
    """Set the series that have a value and remove all others, with no gap in between."""
    shown = {labels: value for labels, value in values.items() if value is not None}
    for labels, value in shown.items():
        gauge.labels(*labels).set(value)
    for sample in next(iter(gauge.collect())).samples:
        labels = tuple(sample.labels.values())
        if labels not in shown:
            gauge.remove(*labels)
