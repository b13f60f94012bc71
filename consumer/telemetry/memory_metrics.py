"""Metrics of what is remembered; registered only where MEMORY=on."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from consumer.telemetry.metrics import STAGE_BOUNDS_S, ProcessMetrics

STATES: Final = ("seen", "new", "common", "none")
"""Of the entities of a kind that a claim names: one was seen before; none was; all are taken for
placeholders; it names none."""


class MemoryMetrics:
    """How current the view is, and what it finds. Updated once per batch."""

    def __init__(self, metrics: ProcessMetrics, kinds: Sequence[str]) -> None:
        """Register.

        Args:
            metrics: of the process.
            kinds: the contract's kinds of entity.
        """
        registry = metrics.registry
        self.behind = Gauge(
            "fraud_scorer_memory_behind_seconds",
            "Age of the latest moment of which the view has everything in MEMORY_TOPIC.",
            registry=registry,
        )
        self.pending = Gauge(
            "fraud_scorer_memory_pending_claims",
            "Claims scored here that have not come back from MEMORY_TOPIC yet.",
            registry=registry,
        )
        self.seconds = Histogram(
            "fraud_scorer_memory_seconds",
            "Time for a batch: recall (what is known of its claims), apply (what has come in).",
            ["step"],
            buckets=STAGE_BOUNDS_S,
            registry=registry,
        )
        self._facts = Counter(
            "fraud_scorer_memory_facts",
            "Records of MEMORY_TOPIC taken into the view.",
            registry=registry,
        )
        self._unreadable = Counter(
            "fraud_scorer_memory_unreadable",
            "Records of MEMORY_TOPIC that are no facts, and were left out.",
            registry=registry,
        )
        claims = Counter(
            "fraud_scorer_memory_claims",
            "Claims by what is known of the entities of a kind that they name: seen, new, common "
            "(taken for placeholders), none (it names none).",
            ["entity", "state"],
            registry=registry,
        )
        self._claims = [[claims.labels(kind, state) for state in STATES] for kind in kinds]

    def applied(self, facts: int) -> None:
        """Count records that were taken into the view."""
        self._facts.inc(facts)

    def unreadable(self) -> None:
        """Count a record that is not a fact."""
        self._unreadable.inc()

    def recalled(self, kind: int, counts: Sequence[int]) -> None:
        """Count claims of a batch.

        Args:
            kind: index of the kind.
            counts: claims by state, in the order of `STATES`.
        """
        for child, count in zip(self._claims[kind], counts, strict=True):
            child.inc(count)
