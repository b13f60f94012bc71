"""What is measured of a batch: counts of what was committed, drift, and a shadow model."""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from consumer.batch import Outcome
from consumer.drift import DriftMonitor
from consumer.metrics import Metrics
from consumer.records import Message
from consumer.shadow import Shadow
from model.scorer import Scorer


class Observer:
    """Turns outcomes into metrics."""

    def __init__(self, metrics: Metrics, shadow: Shadow | None = None) -> None:
        self._metrics = metrics
        self._shadow = shadow
        self._drift = DriftMonitor(metrics)

    def scored(self, outcome: Outcome, scorer: Scorer) -> None:
        """Measure drift and the shadow model while the batch is being committed."""
        if outcome.assessment is None:
            return
        with self._metrics.stage.labels("observe").time():
            self._drift.add(scorer, outcome.assessment)
            if self._shadow is not None:
                self._shadow.compare(outcome.claims, outcome.probabilities, scorer.threshold)

    def committed(self, outcome: Outcome, created_ms: npt.NDArray[np.float64]) -> None:
        """Count a batch whose outcome is committed.

        Args:
            outcome: of the batch.
            created_ms: timestamps of its records, milliseconds since the epoch.
        """
        metrics = self._metrics
        metrics.transactions.labels("committed").inc()
        metrics.consumed.inc(len(created_ms))
        metrics.scored.inc(len(outcome.claims))
        metrics.referred.inc(outcome.referred)
        for reason, count in outcome.reasons.items():
            metrics.dead_lettered.labels(reason.value).inc(count)
        metrics.batch_size.observe(len(created_ms))
        metrics.latency.observe(np.maximum(time.time() - created_ms / 1_000, 0))
        metrics.probability.observe(outcome.probabilities)


def timestamps(messages: Sequence[Message]) -> npt.NDArray[np.float64]:
    """When each record was created, milliseconds since the epoch; now for one without a time."""
    created = np.array([message.timestamp()[1] for message in messages], dtype=float)
    created[created < 0] = time.time() * 1_000
    return created
