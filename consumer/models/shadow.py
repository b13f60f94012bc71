"""A challenger: scores the same batches as the model in service; visible in metrics only."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.errors import ModelRefusedError
from consumer.telemetry.metrics import Metrics
from model.artifact.store import ArtifactError, Verify, anything
from model.scoring.load import load as load_model
from model.scoring.rules import RuleError
from schemas.claim import Claim

log = logging.getLogger(__name__)


class Comparison(NamedTuple):
    """The challenger's results for a batch."""

    probabilities: npt.NDArray[np.float64]
    pairs: list[int]
    """Claims by who refers them: neither, the challenger, the model in service, both."""


class Shadow:
    """A second model alongside the one in service. It never affects an alert."""

    def __init__(self, folder: Path, metrics: Metrics, verify: Verify = anything) -> None:
        """Load the challenger.

        Raises:
            ModelRefusedError: it is missing, altered, created by other versions, or not signed.
        """
        try:
            self._scorer = load_model(folder, verify=verify)
        except (ArtifactError, RuleError) as error:
            raise ModelRefusedError(f"SHADOW_MODEL_DIR={folder}: {error}") from error
        self._metrics = metrics
        self._failed = False
        log.info("shadow model: %s %s", self._scorer.name, self._scorer.version)

    def compare(
        self,
        claims: Sequence[Claim],
        probabilities: npt.NDArray[np.float64],
        threshold: float,
    ) -> Comparison | None:
        """Score the claims again and compare the two models; `count` turns the result into metrics.

        A challenger that raises is switched off and reported: the model in service continues.
        """
        if self._failed or not claims:
            return None
        try:
            other = self._scorer.score(claims)
            pairs = 2 * (probabilities >= threshold) + (other >= self._scorer.threshold)
            return Comparison(other, np.bincount(pairs, minlength=4).tolist())
        except Exception:
            self._failed = True
            self._metrics.shadow_failed.set(1)
            log.exception(
                "the shadow model raised an error and is switched off until the next start"
            )
            return None

    def count(self, found: Comparison) -> None:
        """Add a comparison to the metrics."""
        self._metrics.shadow_probability.observe(found.probabilities)
        for index, count in enumerate(found.pairs):
            labels = str(index >= 2).lower(), str(index % 2 == 1).lower()
            self._metrics.shadow_agreement.labels(*labels).inc(count)
