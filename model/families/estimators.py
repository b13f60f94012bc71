"""The three model families, by name, as unfitted pipelines.

Each consists of ``encode`` (`ClaimEncoder`) and ``classify``. All fitting happens inside the
pipeline: nothing is learnt from rows that are not given to ``fit``, and no row is invented or
repeated. Class weights are not used: they would distort the probabilities.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from model.families.crosses import CrossEncoder
from model.families.rates import CategoryRates
from model.families.screen import Screen
from model.features.encoder import ClaimEncoder

DEFAULT_SEED: Final = 42


def _logistic(coded: Sequence[bool], seed: int) -> Any:
    cross = CrossEncoder(coded, ranges=6, crossed=12)
    weigh = LogisticRegression(C=0.05, max_iter=1000, random_state=seed)
    return Pipeline([("screen", Screen(coded)), ("cross", cross), ("weigh", weigh)])


def _forest(coded: Sequence[bool], seed: int) -> Any:
    # Small trees that see most features: as good as full-grown ones in validation, their
    # probabilities need no additional calibration, and their Shapley values are affordable.
    forest = RandomForestClassifier(
        n_estimators=100,
        max_leaf_nodes=32,
        min_samples_leaf=5,
        max_features=0.7,
        random_state=seed,
    )
    return Pipeline([("screen", Screen(coded)), ("forest", forest)])


def _boosting(coded: Sequence[bool], seed: int) -> Any:
    # Few small trees fitted to the log loss: as good as many here, fast to evaluate, and
    # calibrated as they are. Categories stay ordinal codes: scikit-learn's native categories were
    # no better and would cost a ColumnTransformer in every predict.
    boosting = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=8,
        learning_rate=0.08,
        min_samples_leaf=20,
        l2_regularization=1.0,
        categorical_features=None,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("screen", Screen(coded)), ("boosting", boosting)])


_FAMILIES: Final[Mapping[str, Callable[[Sequence[bool], int], Any]]] = {
    "logistic_regression": _logistic,
    "random_forest": _forest,
    "gradient_boosting": _boosting,
}
ALGORITHMS: Final[tuple[str, ...]] = tuple(_FAMILIES)
"""Names that `build` accepts."""
RATED: Final = frozenset({"gradient_boosting", "random_forest"})
"""Families that see shares of fraud in place of many categories. The cells of the logistic
regression are too coarse for them: it does as well with the 64 most frequent categories."""


def build(
    algorithm: str,
    features: Sequence[str],
    categorical: Collection[str],
    *,
    rated: Collection[str] = (),
    seed: int = DEFAULT_SEED,
) -> Pipeline:
    """The unfitted pipeline of this name.

    Args:
        algorithm: one of `ALGORITHMS`.
        features: names of the columns the model may see.
        categorical: names of those that contain texts.
        rated: names of those among them whose categories are replaced by shares of fraud.
        seed: makes fitting repeatable.

    Raises:
        ValueError: no such algorithm.
    """
    if algorithm not in _FAMILIES:
        raise ValueError(f"unknown algorithm {algorithm!r}; choose from {', '.join(ALGORITHMS)}")
    names = tuple(features)
    texts = tuple(name for name in names if name in categorical)
    many = tuple(name for name in texts if name in rated)
    classify = _FAMILIES[algorithm]([name in texts and name not in many for name in names], seed)
    if many:
        rates = CategoryRates([name in many for name in names], seed=seed)
        classify.steps.insert(0, ("rates", rates))
    return Pipeline([("encode", ClaimEncoder(names, texts, rated=many)), ("classify", classify)])
