"""Fitted scikit-learn trees, evaluated and explained by LightGBM's compiled code or from tables.

scikit-learn needs about half a millisecond per call before the first row and has no TreeSHAP.
LightGBM solves both, and reads a model from text: so the fitted trees are written as such a text,
node by node, with every number at full precision. Nothing is fitted again.

Both compare ``value <= threshold`` in double precision and add the trees in the same order. The
differences are bridged here: the nodes' order and the side of missing and unknown categories for
gradient boosting, the rounding of inputs to single precision for forests.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from model.arrays import Matrix
from model.compiled import nodes as trees
from model.compiled.lightgbm_text import model_text
from model.compiled.nodes import Nodes
from model.compiled.tables import TreeTables, are_small

Unit = Literal["log-odds", "probability"]
FEW: Final = 64
"""Fewer claims are scored by LightGBM: looking up what trees give takes longer to begin."""


class CompiledTrees:
    """Trees over the columns of a matrix of encoded claims.

    Attributes:
        features: number of columns of the matrix.
        unit: of the raw score: log-odds for boosting, probability for forests.

    Args:
        nodes: of each tree, in the order in which they are added up.
        offsets: added to each column, shape (n_features,).
        mean: the raw score is the mean of the trees, not their sum.
        single: inputs are rounded to single precision before they are compared.
    """

    def __init__(
        self, nodes: Sequence[Nodes], offsets: Matrix, *, mean: bool = False, single: bool = False
    ) -> None:
        self.features = features = len(offsets)
        self._offsets = offsets if offsets.any() else None
        self._single = single
        self.unit: Unit = "probability" if mean else "log-odds"
        self._divisor = len(nodes) if mean else 1
        self._booster = lightgbm.Booster(model_str=model_text(nodes, features))
        self._tables = TreeTables(nodes, features) if are_small(nodes) else None

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Raw scores, shape (n_claims,), of a matrix (n_claims, n_features)."""
        if self._tables is None or len(X) < FEW:
            return self.lightgbm_raw(X)
        return self._tables.raw(self._seen(X)) / self._divisor

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Fraud probabilities, shape (n_claims,)."""
        raw = self.raw(X)
        return raw if self.unit == "probability" else np.asarray(expit(raw), dtype=np.float64)

    def contributions(self, X: Matrix) -> Matrix:
        """Exact TreeSHAP values, shape (n_claims, n_features + 1).

        The last column is the expected raw score; the row's sum is its raw score. Lundberg et
        al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2 (2020), algorithm 2 (path-dependent). Looked up in tables if
        the trees are small, see `model.compiled.tables`.
        """
        if self._tables is None:
            return self.lightgbm_contributions(X)
        return self._tables.contributions(self._seen(X)) / self._divisor

    def lightgbm_raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Raw scores by LightGBM, whatever the size of the trees."""
        return self._predict(X, raw_score=True)

    def lightgbm_contributions(self, X: Matrix) -> Matrix:
        """Contributions by LightGBM, whatever the size of the trees."""
        return self._predict(X, pred_contrib=True).reshape(len(X), self.features + 1)

    def _seen(self, X: Matrix) -> Matrix:
        """The matrix as the trees see it."""
        if self._offsets is not None:
            X = X + self._offsets
        if not self._single:
            return X
        # Beyond what 32 bits hold, a number is infinite: above, or below, every threshold.
        with np.errstate(over="ignore"):
            return X.astype(np.float32).astype(np.float64)

    def _predict(self, X: Matrix, **what: bool) -> Matrix:
        found = self._booster.predict(self._seen(X), num_threads=1, **what)
        return np.asarray(found, dtype=np.float64) / self._divisor


def compile_boosting(classifier: Any) -> CompiledTrees:
    """A fitted binary gradient boosting; the raw score is its ``decision_function``.

    Raises:
        ValueError: it has more than two classes.
    """
    return CompiledTrees(trees.boosted(classifier), trees.category_offsets(classifier))


def compile_forest(classifier: Any) -> CompiledTrees:
    """A fitted binary random forest; the raw score is the probability of the second class.

    Raises:
        ValueError: it has more than two classes.
    """
    offsets = np.zeros(classifier.n_features_in_)
    return CompiledTrees(trees.grown(classifier), offsets, mean=True, single=True)
