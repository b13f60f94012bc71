"""Masks features with no evidence of signal, which with few claims are only noise."""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc
from sklearn.base import BaseEstimator, TransformerMixin

from model.arrays import Matrix
from model.families.crosses import CrossEncoder
from model.families.steps import Mask

RANGES: Final = 6


class Screen(Mask, TransformerMixin, BaseEstimator):
    """Sets features that do not distinguish fraud from other claims to zero in every claim.

    A feature is kept if Pearson's chi-squared test of its cells (see `CrossEncoder`) against the
    label has a p-value of at most ``level``; the most predictive one is always kept. With
    ``enough`` claims or more every feature is kept: features that are predictive only together
    with others are then worth more than the noise costs. The matrix keeps its shape.

    Args:
        categorical: for each column, True if it contains category codes.
        level: significance level of the test; chosen in docs/decisions/0023-the-screen.md.
        enough: number of claims from which nothing is masked.
    """

    def __init__(
        self, categorical: Sequence[bool], level: float = 0.2, enough: int = 5_000
    ) -> None:
        self.categorical = categorical
        self.level = level
        self.enough = enough

    def fit(self, X: Matrix, y: npt.NDArray[Any]) -> Self:
        """Choose the features. X has shape (n_claims, n_features), y contains 0 and 1."""
        self.dropped_ = np.zeros(X.shape[1], dtype=bool)
        if len(X) < self.enough:
            p_values = self._p_values(X, y)
            self.dropped_ = p_values > max(self.level, p_values.min())
        return self

    def _p_values(self, X: Matrix, y: npt.NDArray[Any]) -> Matrix:
        encoder = CrossEncoder(self.categorical, RANGES, crossed=0).fit(X, y)
        return np.array([_p_value(cells, y) for cells in encoder.cells(X).T])


def _p_value(cells: npt.NDArray[np.int64], y: npt.NDArray[Any]) -> float:
    counts = np.array([np.bincount(cells[y == c], minlength=cells.max() + 1) for c in (0, 1)])
    counts = counts[:, counts.any(axis=0)].astype(np.float64)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float(chdtrc(counts.shape[1] - 1, statistic)) if counts.shape[1] > 1 else 1.0
