"""Drift of the claims being scored against those the model was trained on, as metrics."""

from consumer.metrics import Metrics
from model.drift import SCORE, Window
from model.scorer import Assessment, Scorer

WINDOW_CLAIMS = 10_000


class DriftMonitor:
    """Counts claims in windows; at the end of each, sets the indices of the metrics."""

    def __init__(self, metrics: Metrics, window: int = WINDOW_CLAIMS) -> None:
        self._metrics = metrics
        self._size = window
        self._sha256 = ""
        self._window = Window({})

    def add(self, scorer: Scorer, assessment: Assessment) -> None:
        """Count a batch that was scored by this model; another model begins a new window."""
        if scorer.sha256 != self._sha256:
            self._sha256 = scorer.sha256
            self._window = Window(scorer.reference.columns)
        self._window.add(assessment.codes, scorer.features, assessment.probability)
        if self._window.claims >= self._size:
            self._show()
            self._window.clear()

    def _show(self) -> None:
        for name, index in self._window.index().items():
            if name == SCORE:
                self._metrics.score_psi.set(index)
            else:
                self._metrics.drift_psi.labels(name).set(index)
        self._metrics.drift_windows.inc()
