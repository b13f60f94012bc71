"""Measurements of a batch: counts of what was committed, drift, and a shadow model."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from consumer.batch.process import Outcome
from consumer.batch.records import Message
from consumer.models.drift import DriftMonitor, Measured, measure
from consumer.models.shadow import Comparison, Shadow
from consumer.telemetry.metrics import Metrics
from model.scoring.decisions import decided
from model.scoring.scorer import Scorer
from schemas.alert import Band, Decision
from schemas.dead_letter import Reason


class Seen(NamedTuple):
    """The measurements of a batch."""

    drift: Measured
    shadow: Comparison | None
    decisions: Counter[Decision]
    bands: Counter[Band]
    control: int
    """Claims in the random control sample."""


class Counted(NamedTuple):
    """What is counted of a committed batch. The claims themselves are not kept until then:
    they would take memory, and the next batch could not use what is still in the processor's cache.
    """

    scored: int
    referred: int
    reasons: Counter[Reason]
    """Of dead letters."""
    unknown_fields: Sequence[tuple[str, ...]]
    """Of each claim: names in the event that the contract does not know."""
    probabilities: npt.NDArray[np.float64]
    """Of fraud, shape (scored,)."""
    remembered: bool
    """Whether its claims are in the memory's log."""

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """The counts of this outcome."""
        return cls(
            len(outcome.claims),
            outcome.referred,
            outcome.reasons,
            outcome.unknown_fields,
            outcome.probabilities,
            bool(outcome.memories),
        )


class Observer:
    """Turns outcomes into metrics. Only what has been committed is counted."""

    def __init__(self, metrics: Metrics, shadow: Shadow | None = None) -> None:
        self._metrics = metrics
        self._shadow = shadow
        self._drift = DriftMonitor(metrics)

    def measure(self, outcome: Outcome, scorer: Scorer) -> Seen | None:
        """Measure drift and the shadow model, which may be done while the batch is committed."""
        if outcome.assessment is None:
            return None
        with self._metrics.stage.labels("observe").time():
            return Seen(
                measure(scorer, outcome.assessment),
                self._shadow.compare(
                    outcome.claims, outcome.probabilities, scorer.threshold, outcome.histories
                )
                if self._shadow is not None
                else None,
                Counter(decided(outcome.assessment)),
                Counter(outcome.assessment.decisions.band),
                sum(outcome.assessment.control),
            )

    def committed(
        self,
        counted: Counted,
        seen: Seen | None,
        created_ms: npt.NDArray[np.float64],
        at_s: float,
    ) -> None:
        """Count a batch whose outcome is committed.

        Args:
            counted: the counts of its outcome.
            seen: its measurements.
            created_ms: timestamps of its records, milliseconds since the epoch.
            at_s: when it was committed, seconds since the epoch.
        """
        if seen is not None:
            self._drift.add(seen.drift)
            self._count(seen)
            if self._shadow is not None and seen.shadow is not None:
                self._shadow.count(seen.shadow)
        metrics = self._metrics
        metrics.transactions.labels("committed").inc()
        metrics.consumed.inc(len(created_ms))
        metrics.scored.inc(counted.scored)
        metrics.referred.inc(counted.referred)
        metrics.count_unknown(counted.unknown_fields)
        for reason, count in counted.reasons.items():
            metrics.dead_lettered.labels(reason.value).inc(count)
        metrics.batch_size.observe(len(created_ms))
        metrics.latency.observe(np.maximum(at_s - created_ms / 1_000, 0))
        metrics.probability.observe(counted.probabilities)

    def _count(self, seen: Seen) -> None:
        for decision, count in seen.decisions.items():
            self._metrics.decided.labels(decision.value).inc(count)
        for band, count in seen.bands.items():
            self._metrics.bands.labels(band.value).inc(count)
        self._metrics.control.inc(seen.control)


def timestamps(messages: Sequence[Message]) -> npt.NDArray[np.float64]:
    """Creation time of each record, milliseconds since the epoch; now if it has no timestamp."""
    created = np.array([message.timestamp()[1] for message in messages], dtype=float)
    created[created < 0] = time.time() * 1_000
    return created
