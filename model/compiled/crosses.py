"""The crossed logistic regression as a sum of table entries."""

import numpy as np
import numpy.typing as npt

from model.arrays import Matrix, Numbers
from model.compiled.trees import Unit, probability
from model.families.steps import CrossedCells


class CompiledCrosses:
    """Looks weights up instead of multiplying matrices.

    Contributions are exact Shapley values for features treated as independent, with the training
    claims' shares of cells (Lundberg and Lee, "A unified approach to interpreting model
    predictions", 2017, corollary 1, extended to pairs). For a pair with table W, shares p and q
    and row, column and total means r, c, g of W under them, the entry W[a, b] - g splits into
    ``((r[a] - g) + (W[a, b] - c[b])) / 2`` for the first feature and
    ``((c[b] - g) + (W[a, b] - r[a])) / 2`` for the second.

    Args:
        encoder: cells and pairs of cells.
        intercept: log-odds.
        weights: of the encoder's columns, shape (n_columns,).

    Raises:
        ValueError: there are not as many weights as columns.
    """

    unit: Unit = "log-odds"

    def __init__(self, encoder: CrossedCells, intercept: float, weights: Numbers) -> None:
        if len(weights) != encoder.starts_[-1]:
            raise ValueError(f"{len(weights)} weights of {encoder.starts_[-1]} cells")
        self._encoder = encoder
        self._intercept = intercept
        self._weights = weights
        self._singles = len(encoder.sizes_)
        self._prepare_shares()

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Log-odds, shape (n_claims,), of a matrix (n_claims, n_features)."""
        entries: Matrix = self._weights[self._encoder.columns(X)]
        return np.asarray(entries.sum(axis=1) + self._intercept)

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Fraud probabilities, shape (n_claims,)."""
        return probability(self.raw(X))

    def contributions(self, X: Matrix) -> Matrix:
        """Shape (n_claims, n_features + 1); the last column is the expected log-odds."""
        columns = self._encoder.columns(X)
        singles, pairs = columns[:, : self._singles], columns[:, self._singles :]
        own = self._first[singles]
        own += self._first[pairs] @ self._member(0) + self._second[pairs] @ self._member(1)
        return np.column_stack([own, np.full(len(X), self._expected)])

    def _member(self, side: int) -> Matrix:
        """1 where a pair has the feature on that side, shape (n_pairs, n_features)."""
        found: Matrix = np.eye(self._singles)[self._encoder.pairs_[:, side]]
        return found

    def _prepare_shares(self) -> None:
        """Split each table entry into the shares of its features and the mean of its table."""
        encoder = self._encoder
        self._first, self._second = np.zeros_like(self._weights), np.zeros_like(self._weights)
        self._expected = self._intercept
        tables = np.split(self._weights, encoder.starts_[1:-1])
        for start, table, shares in zip(encoder.starts_, tables, encoder.shares_, strict=False):
            mean = float(shares @ table)
            self._first[start : start + len(table)] = table - mean
            self._expected += mean
        for start, table, pair in zip(
            encoder.starts_[self._singles :], tables[self._singles :], encoder.pairs_, strict=False
        ):
            p, q = (encoder.shares_[feature] for feature in pair)
            entries = table.reshape(len(p), len(q))
            rows, columns, mean = entries @ q, p @ entries, float(p @ entries @ q)
            first = ((rows - mean)[:, None] + entries - columns) / 2
            span = slice(start, start + len(table))
            self._first[span] = first.ravel()
            self._second[span] = (entries - mean - first).ravel()
            self._expected += mean
