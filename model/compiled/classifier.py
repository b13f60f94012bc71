"""Classifiers as fast evaluators that also return each feature's contribution."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from model.arrays import Matrix
from model.compiled.trees import Unit

CONTRIBUTION_TOLERANCE: Final = 1e-9
"""Largest difference of summed contributions from the raw score, and of each from LightGBM's."""


class Compiled(Protocol):
    """A classifier over a matrix of encoded claims (form *tree*)."""

    unit: Unit
    """Unit of raw scores and contributions."""

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Raw scores, shape (n_claims,)."""

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Fraud probabilities, shape (n_claims,)."""

    def contributions(self, X: Matrix) -> Matrix:
        """Shape (n_claims, n_features + 1): each feature's, and last the expected raw score.

        A row's sum is its raw score.
        """


class MatrixStep(Protocol):
    """A step that changes encoded claims before they are scored."""

    def transform(self, X: Matrix) -> Matrix:
        """Another matrix of the same shape, (n_claims, n_features), or X itself."""


class AfterSteps:
    """A classifier that sees the claims through the steps before it."""

    def __init__(self, steps: Sequence[MatrixStep], seen: Compiled) -> None:
        self.unit: Unit = seen.unit
        self.seen = seen
        self._steps = steps

    def prepared(self, X: Matrix) -> Matrix:
        """The claims as the classifier sees them."""
        for step in self._steps:
            X = step.transform(X)
        return X

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """See `Compiled`."""
        return self.seen.raw(self.prepared(X))

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        """See `Compiled`."""
        return self.seen.probabilities(self.prepared(X))

    def contributions(self, X: Matrix) -> Matrix:
        """See `Compiled`."""
        return self.seen.contributions(self.prepared(X))


def adds_up(compiled: Compiled, X: Matrix) -> bool:
    """True if contributions for X, shape (n_claims, n_features), add up to the raw scores."""
    found = compiled.contributions(X).sum(axis=1) - compiled.raw(X)
    return bool(np.abs(found).max(initial=0.0) <= CONTRIBUTION_TOLERANCE)
