"""Replaces categories that are too many to be told apart by how often each was fraud.

A garage among hundreds has a few claims. Its code, a place in the alphabet, says nothing that a
tree or a cell could learn from so few; its share of frauds, drawn towards the share of all, does.
Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification
and prediction problems", SIGKDD Explorations 2001, equation 3 with a constant weight.

A claim's own label must not be in the share it is trained with: the model would learn to trust
shares that merely repeat the labels. So `fit_transform`, which a pipeline calls in training, gives
each claim shares that were computed without its fold; `transform` uses every training claim.
"""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import StratifiedKFold

from model.arrays import Matrix, Numbers
from model.families.steps import Rates

FOLDS: Final = 5
WEIGHT: Final = 20.0
"""Claims that the share of all counts for; see docs/decisions/0021-many-categories.md."""


class CategoryRates(Rates, TransformerMixin, BaseEstimator):
    """Turns codes of chosen columns into shares of fraud. Missing stays missing.

    A category that was not learnt has the share of all training claims.

    Args:
        chosen: for each column, True if its codes are replaced.
        weight: how many claims the share of all counts for.
        folds: of the training claims; fewer if a label has fewer claims.
        seed: of the folds.
    """

    def __init__(
        self,
        chosen: Sequence[bool],
        weight: float = WEIGHT,
        folds: int = FOLDS,
        seed: int | None = None,
    ) -> None:
        self.chosen = chosen
        self.weight = weight
        self.folds = folds
        self.seed = seed

    def fit(self, X: Matrix, y: npt.NDArray[Any]) -> Self:
        """Learn the shares. X has shape (n_claims, n_features), y contains 0 and 1."""
        self.columns_ = np.flatnonzero(self.chosen).tolist()
        self.tables_ = self._tables(X, y)
        return self

    def fit_transform(self, X: Matrix, y: Any = None, **fit_params: Any) -> Matrix:
        """Learn the shares, and give each claim those of the other folds."""
        self.fit(X, y)
        seen: Matrix = X.copy()
        folds = min(self.folds, int(np.bincount(y, minlength=2).min()))
        if folds < 2:  # too few to leave any out: nothing can be learnt from the shares
            return self.looked_up(seen, [np.full_like(t, y.mean()) for t in self.tables_])
        parts = StratifiedKFold(folds, shuffle=True, random_state=self.seed)
        for inside, outside in parts.split(X, y):
            seen[outside] = self.looked_up(X[outside], self._tables(X[inside], y[inside]))
        return seen

    def _tables(self, X: Matrix, y: npt.NDArray[Any]) -> list[Numbers]:
        """For each chosen column the share of each code, and last of any other."""
        return [self._table(X[:, column], y) for column in self.columns_]

    def _table(self, codes: Numbers, y: npt.NDArray[Any]) -> Numbers:
        known = codes >= 0  # neither missing nor unknown
        at = codes[known].astype(np.intp)
        claims = np.bincount(at, minlength=1).astype(np.float64)
        frauds = np.bincount(at, weights=y[known], minlength=1)
        prior = float(y.mean())
        shares = (frauds + self.weight * prior) / (claims + self.weight)
        return np.append(shares, prior)
