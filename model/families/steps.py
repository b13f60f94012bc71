"""What fitted steps do to a matrix of encoded claims, in NumPy alone: the part that serving needs.

The estimators beside it learn what these hold, and are these once they are fitted.
"""

from collections.abc import Sequence

import numpy as np

from model.arrays import Counts, Flags, Matrix, Numbers
from model.features.vocabulary import UNKNOWN


class Rates:
    """Shares of fraud in place of the codes of some columns. Missing stays missing.

    Args:
        columns: which.
        tables: of each of them, the share of each code, and last of any other.
    """

    columns_: list[int]
    tables_: list[Numbers]

    def __init__(self, columns: Sequence[int], tables: Sequence[Numbers]) -> None:
        self.columns_ = list(columns)
        self.tables_ = list(tables)

    def transform(self, X: Matrix) -> Matrix:
        """A copy with shares in place of codes."""
        return self.looked_up(X, self.tables_)

    def looked_up(self, X: Matrix, tables: Sequence[Numbers]) -> Matrix:
        """The same with other tables."""
        found = X.copy()
        for column, table in zip(self.columns_, tables, strict=True):
            codes = X[:, column]
            last = len(table) - 1
            known = (codes > UNKNOWN) & (codes < last)
            at = np.where(known, codes, last).astype(np.intp)
            found[:, column] = np.where(np.isnan(codes), codes, table[at])
        return found


class Mask:
    """Sets some columns to zero in every claim.

    Args:
        dropped: True for those, shape (n_features,).
    """

    dropped_: Flags

    def __init__(self, dropped: Flags) -> None:
        self.dropped_ = dropped

    def transform(self, X: Matrix) -> Matrix:
        """X itself, or a copy in which the dropped columns are 0."""
        if not self.dropped_.any():
            return X
        kept = X.copy()
        kept[:, self.dropped_] = 0.0
        return kept


class CrossedCells:
    """Divides each feature into cells, and pairs of features into pairs of cells.

    Args:
        categorical: for each feature, True if it contains category codes (unknown -1).
        edges: of each feature, the upper edges of all its ranges except the last.
        shares: of each feature, the share of the training claims in each of its cells.
        pairs: features that are crossed, shape (n_pairs, 2).
    """

    categorical: Sequence[bool]
    edges_: list[Numbers]
    shares_: list[Numbers]
    pairs_: Counts
    sizes_: Counts
    starts_: Counts

    def __init__(
        self,
        categorical: Sequence[bool],
        edges: Sequence[Numbers],
        shares: Sequence[Numbers],
        pairs: Counts,
    ) -> None:
        self.categorical = categorical
        self.edges_ = list(edges)
        self.shares_ = list(shares)
        self.pairs_ = pairs
        self.sizes_ = sizes(self.edges_)
        self.starts_ = starts(self.sizes_, pairs)

    def cells(self, X: Matrix) -> Counts:
        """Cell of each value within its feature, shape (n_claims, n_features)."""
        found = np.empty(X.shape, dtype=np.int64, order="F")
        for j, (column, edges) in enumerate(zip(X.T, self.edges_, strict=True)):
            cell = np.searchsorted(edges, column)
            cell[np.isnan(column)] = len(edges) + 1
            if self.categorical[j]:
                cell[(column < 0) | (column > len(edges) + 0.5)] = len(edges) + 2
            found[:, j] = cell
        return found

    def columns(self, X: Matrix) -> Counts:
        """The columns that are 1, shape (n_claims, n_features + n_pairs)."""
        cells = self.cells(X)
        left, right = self.pairs_.T
        crossed = cells[:, left] * self.sizes_[right] + cells[:, right]
        columns: Counts = np.concatenate([cells, crossed], axis=1) + self.starts_[:-1]
        return columns


def sizes(edges: Sequence[Numbers]) -> Counts:
    """How many cells each feature has, shape (n_features,)."""
    # In addition to the ranges: one cell for missing, one for categories not learnt.
    return np.array([len(one) + 3 for one in edges])


def starts(cells: Counts, pairs: Counts) -> Counts:
    """The first column of each feature and of each pair, and last how many columns there are.

    Args:
        cells: how many each feature has.
        pairs: features that are crossed, shape (n_pairs, 2).
    """
    blocks = np.concatenate([cells, cells[pairs].prod(axis=1)])
    found: Counts = np.concatenate([[0], np.cumsum(blocks)])
    return found
