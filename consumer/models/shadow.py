"""A challenger: scores the same batches as the model in service; visible in metrics only."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.errors import ModelRefusedError
from consumer.models.service import (
    refuse_another_line,
    refuse_another_memory,
    signature_check,
)
from consumer.settings.settings import Remember, Settings
from consumer.telemetry.metrics import Metrics
from model.artifact.store import ArtifactError, Verify, anything
from model.history.features import ClaimHistory
from model.scoring.load import load as load_model
from model.scoring.rules import RuleError
from model.scoring.scorer import Scorer
from schemas.claim import Claim
from schemas.contract.model import Contract
from schemas.expressions.nodes import Kind

log = logging.getLogger(__name__)

OTHER: Final = "train it on claims of the present contract, or unset SHADOW_MODEL_DIR"
"""What to do about a challenger for other claims."""
SHADOW: Final = (
    "train it on claims of the present contract, unset SHADOW_MODEL_DIR, or compare the two with "
    "python -m model compare"
)
"""What to do about a challenger that needs something else remembered."""


class Comparison(NamedTuple):
    """The challenger's results for a batch."""

    probabilities: npt.NDArray[np.float64]
    pairs: list[int]
    """Claims by who refers them: neither, the challenger, the model in service, both."""


class Shadow:
    """A second model alongside the one in service. It never affects an alert."""

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        verify: Verify = anything,
        present: Scorer | None = None,
        *,
        remembers: bool = False,
    ) -> None:
        """Load the challenger.

        Args:
            folder: the artifact, or a link to it.
            metrics: where comparisons are counted.
            verify: may reject it; see `consumer.models.service.signature_check`.
            present: the model in service, whose claims it scores.
            remembers: claims are remembered for that model; otherwise a challenger that learnt from
                history is rejected.

        Raises:
            ModelRefusedError: it is missing, altered, created by other versions, not signed, made
                for other claims, or its history is not that of the model in service.
        """
        try:
            self._scorer = load_model(folder, verify=verify, remembers=remembers)
            if present is not None:
                refuse_beside(present, self._scorer)
        except (ArtifactError, RuleError) as error:
            raise ModelRefusedError(f"SHADOW_MODEL_DIR={folder}: {error}") from error
        self._metrics = metrics
        self._failed = False
        log.info("shadow model: %s %s", self._scorer.name, self._scorer.version)

    @property
    def asks_for_history(self) -> bool:
        """True if it learnt from history, and cannot score without it."""
        return self._scorer.history is not None

    def compare(
        self,
        claims: Sequence[Claim],
        probabilities: npt.NDArray[np.float64],
        threshold: float,
        histories: Sequence[ClaimHistory] | None = None,
    ) -> Comparison | None:
        """Score the claims again and compare the two models; `count` turns the result into metrics.

        A challenger that raises is switched off and reported: the model in service continues.

        Args:
            claims: of a batch.
            probabilities: by the model in service, shape (n_claims,).
            threshold: that model's.
            histories: of the claims, if any model asks for them.
        """
        if self._failed or not claims:
            return None
        try:
            other = self._scorer.score(claims, histories if self.asks_for_history else None)
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


def refuse_beside(present: Scorer, other: Scorer) -> None:
    """Check that a challenger can score the claims of the model in service.

    Raises:
        ArtifactError: its contract has another name, what it learnt from is no field of these
            claims or one of another type, or it needs something else remembered.
    """
    refuse_another_line(present.decoder.contract, other.decoder.contract, OTHER)
    theirs, its = _kinds(present.decoder.contract), _kinds(other.decoder.contract)
    for name in filter(its.__contains__, other.features):
        if theirs.get(name) != its[name]:
            raise ArtifactError(
                f"it learnt from {name}, which the contract of {present.name} {present.version} "
                f"does not have, or not as {its[name]}: {OTHER}"
            )
    if other.history is not None:
        refuse_another_memory(present, other, SHADOW)


def _kinds(contract: Contract) -> dict[str, Kind]:
    return {name: contract.kind_of(name) for name in (*contract.fields, *contract.derived)}


def shadow_of(settings: Settings, metrics: Metrics, present: Scorer) -> Shadow | None:
    """The challenger that SHADOW_MODEL_DIR names, if any; see `Shadow`.

    Raises:
        ModelRefusedError, SettingsError: see `Shadow` and `signature_check`.
    """
    if settings.shadow_model_dir is None:
        return None
    return Shadow(
        settings.shadow_model_dir,
        metrics,
        signature_check(settings),
        present,
        remembers=settings.memory is Remember.ON,
    )
