"""Fitted scikit-learn trees, evaluated and explained from tables or by LightGBM's compiled code.

scikit-learn needs about half a millisecond per call before the first row and has no TreeSHAP.
Tables of what small trees give solve both; see `model.compiled.tables`. For larger ones LightGBM
does: it reads models from text, so the fitted trees are written as text, node by node, with every
number at full precision. Nothing is fitted again. LightGBM is imported only when first needed, as
it brings a hundred megabytes of libraries along.

Both compare ``value <= threshold`` in double precision and add the trees in the same order. The
differences are bridged here: the nodes' order and the side of missing and unknown categories for
gradient boosting, the rounding of inputs to single precision for forests.
"""

import math
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from model.arrays import Matrix, Numbers
from model.compiled.lightgbm_text import model_text
from model.compiled.nodes import Nodes
from model.compiled.tables import TreeTables, are_small

Unit = Literal["log-odds", "probability"]
_LEAST: Final = -math.log(sys.float_info.max)
"""For lower log-odds the probability is 0 in double precision."""


def probability(log_odds: Numbers) -> Numbers:
    """The logistic function, shape (n_claims,), equal to SciPy's to the last bit.

    Both use the exponential function of the C library. NumPy's own differs in the last bit of one
    value in fifty.
    """
    odds = np.where(log_odds < _LEAST, math.inf, -log_odds).tolist()
    return 1.0 / (1.0 + np.fromiter(map(math.exp, odds), np.float64, len(odds)))


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
        self._nodes = nodes
        self._tables = TreeTables(nodes, features) if are_small(nodes) else None

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Raw scores, shape (n_claims,), of a matrix (n_claims, n_features)."""
        if self._tables is None:
            return self.lightgbm_raw(X)
        return self._tables.raw(self._seen(X)) / self._divisor

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        """Fraud probabilities, shape (n_claims,)."""
        raw = self.raw(X)
        return raw if self.unit == "probability" else probability(raw)

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

    @cached_property
    def _booster(self) -> Any:
        import lightgbm  # noqa: PLC0415 - small trees need none of it

        return lightgbm.Booster(model_str=model_text(self._nodes, self.features))

    def _predict(self, X: Matrix, **what: bool) -> Matrix:
        found = self._booster.predict(self._seen(X), num_threads=1, **what)
        return np.asarray(found, dtype=np.float64) / self._divisor
