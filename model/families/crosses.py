"""Logistic regression over cells and pairs of cells: interactions that a linear model lacks.

Each feature is divided into cells: a category is its own cell, a number falls into one of a few
ranges, and missing is a separate cell. The regression has one weight for each cell of each feature
and one for each pair of cells of any two features, kept small by a ridge penalty. So it stays a
sum of table entries: every contribution to a score can be read off.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from model.arrays import Counts, Matrix
from model.families.steps import CrossedCells, sizes, starts

EXACT_VALUES: Final = 20
"""A number with at most this many distinct values has a cell for each."""


class CrossEncoder(CrossedCells, TransformerMixin, BaseEstimator):
    """Turns a matrix of encoded claims (form *tree*) into 0/1 columns for cells and pairs.

    Args:
        categorical: for each column, True if it contains category codes (unknown -1).
        ranges: for a number with many values, by quantiles of the training claims.
        crossed: number of features that are paired: those most predictive alone, by information
            value (Siddiqi, "Credit Risk Scorecards", 2006: the sum over cells of the difference of
            the classes' shares times the logarithm of their ratio).
    """

    def __init__(self, categorical: Sequence[bool], ranges: int = 6, crossed: int = 20) -> None:
        self.categorical = categorical
        self.ranges = ranges
        self.crossed = crossed

    def fit(self, X: Matrix, y: npt.NDArray[Any]) -> Self:
        """Choose cells and pairs. X has shape (n_claims, n_features), y contains 0 and 1."""
        self.edges_ = [
            np.arange(np.nanmax(column, initial=0)) + 0.5 if coded else _edges(column, self.ranges)
            for column, coded in zip(X.T, self.categorical, strict=True)
        ]
        self.sizes_ = sizes(self.edges_)
        cells = self.cells(X)
        self.shares_ = [
            np.bincount(c, minlength=size) / len(X)
            for c, size in zip(cells.T, self.sizes_, strict=True)
        ]
        value = [_information(c, y, size) for c, size in zip(cells.T, self.sizes_, strict=True)]
        # A pair with a feature that is constant in all claims would only repeat the other one.
        ranked = [j for j in np.argsort(value, kind="stable")[::-1] if self.shares_[j].max() < 1]
        chosen = np.sort(ranked[: self.crossed])
        self.pairs_ = np.array(list(combinations(chosen.tolist(), 2)), dtype=np.int64).reshape(
            -1, 2
        )
        self.starts_ = starts(self.sizes_, self.pairs_)
        return self

    def transform(self, X: Matrix) -> sparse.csr_array:
        """The 0/1 columns, shape (n_claims, n_columns)."""
        columns = self.columns(X)
        n, width = columns.shape
        # 32-bit indices: the solver accepts no others.
        pointers = np.arange(0, n * width + 1, width, dtype=np.int32)
        indices = columns.ravel().astype(np.int32)
        shape = (n, int(self.starts_[-1]))
        return sparse.csr_array((np.ones(n * width), indices, pointers), shape=shape)


def _edges(column: Matrix, ranges: int) -> Matrix:
    """Upper edges of all ranges except the last."""
    values = np.unique(column[~np.isnan(column)])
    if len(values) <= EXACT_VALUES:
        return (values[1:] + values[:-1]) / 2
    shares = np.linspace(0, 1, ranges + 1)[1:-1]
    return np.unique(np.quantile(column[~np.isnan(column)], shares))


def _information(cells: Counts, y: npt.NDArray[Any], size: int) -> float:
    # Half a claim of each class in every cell keeps the logarithm finite.
    fraud = np.bincount(cells[y == 1], minlength=size) + 0.5
    honest = np.bincount(cells[y != 1], minlength=size) + 0.5
    fraud, honest = fraud / fraud.sum(), honest / honest.sum()
    return float(((fraud - honest) * np.log(fraud / honest)).sum())
