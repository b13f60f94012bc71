"""Drift of the scored claims relative to the model's training claims, as metrics."""

from typing import NamedTuple

from consumer.telemetry.metrics import Metrics
from model.drift import SCORE, Window
from model.scoring.scorer import Assessment, Scorer

WINDOW_CLAIMS = 10_000


class Measured(NamedTuple):
    """The claims of one batch in the bins of the model that scored them."""

    sha256: str
    window: Window


def measure(scorer: Scorer, assessment: Assessment) -> Measured:
    """Sort a batch into the model's bins."""
    window = Window(scorer.reference.columns)
    window.add(assessment.codes, scorer.features, assessment.probability)
    return Measured(scorer.sha256, window)


class DriftMonitor:
    """Counts claims in windows and updates the drift metrics at the end of each."""

    def __init__(self, metrics: Metrics, window: int = WINDOW_CLAIMS) -> None:
        self._metrics = metrics
        self._size = window
        self._sha256 = ""
        self._window = Window({})

    def add(self, measured: Measured) -> None:
        """Count a batch; a batch scored by another model starts a new window."""
        if measured.sha256 != self._sha256:
            self._sha256 = measured.sha256
            self._window = measured.window
        else:
            self._window.merge(measured.window)
        if self._window.claims >= self._size:
            self._show()
            self._window.clear()

    def _show(self) -> None:
        self._metrics.drift_psi.clear()  # an earlier model may have had other features
        for name, index in self._window.index().items():
            if name == SCORE:
                self._metrics.score_psi.set(index)
            else:
                self._metrics.drift_psi.labels(name).set(index)
        self._metrics.drift_windows.inc()
