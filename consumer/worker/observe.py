"""Measurements of a batch: counts of what was committed, drift, and a shadow model."""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.batch.process import Outcome
from consumer.batch.records import Message
from consumer.models.drift import DriftMonitor, Measured, measure
from consumer.models.shadow import Comparison, Shadow
from consumer.telemetry.metrics import Metrics
from model.scoring.scorer import Scorer


class _Seen(NamedTuple):
    """The measurements of a batch while it is being committed."""

    outcome: Outcome
    drift: Measured
    shadow: Comparison | None


class Observer:
    """Turns outcomes into metrics. Only what has been committed is counted.

    A batch is measured in the worker's thread while it is committed in another; whichever
    finishes last counts it. Measurements of an aborted batch are never counted.
    """

    def __init__(self, metrics: Metrics, shadow: Shadow | None = None) -> None:
        self._metrics = metrics
        self._shadow = shadow
        self._drift = DriftMonitor(metrics)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._committed: Outcome | None = None

    def scored(self, outcome: Outcome, scorer: Scorer) -> None:
        """Measure drift and the shadow model while the batch is being committed."""
        if outcome.assessment is None:
            return
        with self._metrics.stage.labels("observe").time():
            seen = _Seen(
                outcome,
                measure(scorer, outcome.assessment),
                self._shadow.compare(outcome.claims, outcome.probabilities, scorer.threshold)
                if self._shadow is not None
                else None,
            )
        with self._lock:
            self._seen = seen
            self._count()

    def _count(self) -> None:
        """Count what was measured, once it is committed."""
        if self._seen is None or self._seen.outcome is not self._committed:
            return
        self._drift.add(self._seen.drift)
        if self._shadow is not None and self._seen.shadow is not None:
            self._shadow.count(self._seen.shadow)
        self._seen = self._committed = None

    def committed(self, outcome: Outcome, created_ms: npt.NDArray[np.float64]) -> None:
        """Count a batch whose outcome is committed.

        Args:
            outcome: of the batch.
            created_ms: timestamps of its records, milliseconds since the epoch.
        """
        with self._lock:
            self._committed = outcome
            self._count()
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
    """Creation time of each record, milliseconds since the epoch; now if it has no timestamp."""
    created = np.array([message.timestamp()[1] for message in messages], dtype=float)
    created[created < 0] = time.time() * 1_000
    return created
