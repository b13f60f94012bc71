"""Fitted classifiers as fast evaluators that also return each feature's contribution."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline

from model.arrays import Matrix
from model.compiled.crosses import CompiledCrosses
from model.compiled.trees import FEW, CompiledTrees, Unit, compile_boosting, compile_forest

TOLERANCE: Final = 1e-12
"""Largest difference from scikit-learn's probabilities that `agrees` accepts."""
CONTRIBUTION_TOLERANCE: Final = 1e-9
"""Largest difference from LightGBM's contributions, and of their sum from the raw score."""


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


def compile_classifier(classifier: Any) -> Compiled:
    """The compiled form of the last step of a pipeline from `model.families.estimators.build`.

    Raises:
        TypeError: it does not belong to a family that can be compiled.
    """
    if not isinstance(classifier, Pipeline):
        return _compile(classifier)
    steps = dict(classifier.steps)
    rates, screen = steps.pop("rates", None), steps.pop("screen", None)
    compiled = (
        CompiledCrosses(steps["cross"], steps["weigh"])
        if "cross" in steps
        else _compile(classifier[-1])
    )
    before = [] if rates is None else [rates]
    # Trees never use what was constant when they were grown; tables have an entry for everything.
    if "cross" in steps and screen is not None and screen.dropped_.any():
        before.append(screen)
    return _Prepared(before, compiled) if before else compiled


def _compile(classifier: Any) -> Compiled:
    if isinstance(classifier, HistGradientBoostingClassifier):
        return compile_boosting(classifier)
    if isinstance(classifier, RandomForestClassifier):
        return compile_forest(classifier)
    raise TypeError(f"{type(classifier).__name__} cannot be compiled")


class _Prepared:
    """Sees the claims through the steps before it."""

    def __init__(self, steps: Sequence[Any], seen: Compiled) -> None:
        self.unit: Unit = seen.unit
        self.seen = seen
        self._steps = steps

    def prepared(self, X: Matrix) -> Matrix:
        for step in self._steps:
            X = step.transform(X)
        return X

    def raw(self, X: Matrix) -> npt.NDArray[np.float64]:
        return self.seen.raw(self.prepared(X))

    def probabilities(self, X: Matrix) -> npt.NDArray[np.float64]:
        return self.seen.probabilities(self.prepared(X))

    def contributions(self, X: Matrix) -> Matrix:
        return self.seen.contributions(self.prepared(X))


def agrees(compiled: Compiled, classifier: Any, X: Matrix) -> bool:
    """True if both give the same probabilities for X, shape (n_claims, n_features).

    Few claims and many are scored in different ways: both are compared.
    """
    wanted = classifier.predict_proba(X)[:, 1]
    times = -(-FEW // max(1, len(X)))
    many = compiled.probabilities(np.tile(X, (times, 1)))[: len(X)]
    found = np.stack([compiled.probabilities(X), many])
    return bool(np.all(np.abs(found - wanted) <= TOLERANCE))


def explains(compiled: Compiled, X: Matrix) -> bool:
    """True if contributions for X, shape (n_claims, n_features), add up to the raw scores.

    Those of trees that are looked up must be LightGBM's own as well.
    """
    if isinstance(compiled, _Prepared):
        return explains(compiled.seen, compiled.prepared(X))
    found = compiled.contributions(X)
    wrong = np.abs(found.sum(axis=1) - compiled.raw(X)).max(initial=0.0)
    if isinstance(compiled, CompiledTrees):
        own = np.abs(found - compiled.lightgbm_contributions(X)).max(initial=0.0)
        wrong = max(wrong, own)
    return bool(wrong <= CONTRIBUTION_TOLERANCE)
