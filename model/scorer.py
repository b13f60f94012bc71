"""Scoring claims with a fitted pipeline: the path every claim takes in production."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.columns import claim_columns
from schemas.claim import Claim


class Scorer:
    """A model that is ready to score.

    Attributes:
        name: name of the model.
        version: version of the model.
        sha256: digest, hex, of the model file the pipeline came from.
        threshold: probabilities at or above it are a referral.
        features: columns the model asks for.
        pipeline: the fitted pipeline.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str,
        version: str,
        sha256: str,
        threshold: float,
    ) -> None:
        self.pipeline = pipeline
        self.name = name
        self.version = version
        self.sha256 = sha256
        self.threshold = threshold
        self.features: tuple[str, ...] = tuple(pipeline["encode"].features)

    def score(self, claims: Sequence[Claim]) -> npt.NDArray[np.float64]:
        """Fraud probabilities, shape (n_claims,), in the claims' order; one predict a call."""
        if not claims:
            return np.empty(0, dtype=np.float64)
        columns = claim_columns(claims, self.features)
        probabilities: npt.NDArray[np.float64] = self.pipeline.predict_proba(columns)[:, 1]
        return probabilities
