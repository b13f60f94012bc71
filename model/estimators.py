"""The three families of models, by name, as unfitted pipelines.

Each is ``encode`` (`model.features.ClaimEncoder`) and ``classify``. All fitting happens inside the
pipeline: nothing is learnt from rows that are not given to ``fit``, and no row is made up or
repeated. Class weights are not used: they would spoil the probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from model.features import DEFAULT_FEATURES, ClaimEncoder, Form

DEFAULT_SEED: Final = 42


def _logistic(seed: int) -> Any:
    return LogisticRegression(C=0.1, max_iter=2000, random_state=seed)


def _forest(seed: int) -> Any:
    # Leaves of ten claims or more give probabilities that need no calibration on top: a sigmoid
    # fitted out of fold made the Brier score worse on every later period tried.
    return RandomForestClassifier(
        n_estimators=200, min_samples_leaf=10, max_features=0.3, random_state=seed
    )


def _boosting(seed: int) -> Any:
    # Few small trees fitted to the log loss: as good as many here, quick to evaluate, and
    # calibrated as they are. Categories stay ordinal codes: scikit-learn's native categories were
    # no better and cost a ColumnTransformer in every predict.
    return HistGradientBoostingClassifier(
        max_iter=80,
        max_leaf_nodes=8,
        learning_rate=0.06,
        min_samples_leaf=20,
        l2_regularization=1.0,
        categorical_features=None,
        early_stopping=False,
        random_state=seed,
    )


_FAMILIES: Final[Mapping[str, tuple[Form, Callable[[int], Any]]]] = {
    "logistic_regression": ("linear", _logistic),
    "random_forest": ("tree", _forest),
    "gradient_boosting": ("tree", _boosting),
}
ALGORITHMS: Final[tuple[str, ...]] = tuple(_FAMILIES)
"""Names `build` knows."""


def build(
    algorithm: str, features: Sequence[str] = DEFAULT_FEATURES, *, seed: int = DEFAULT_SEED
) -> Pipeline:
    """The unfitted pipeline of this name.

    Args:
        algorithm: one of `ALGORITHMS`.
        features: names of the columns the model may see.
        seed: makes fitting repeatable.

    Raises:
        ValueError: no such algorithm.
    """
    if algorithm not in _FAMILIES:
        raise ValueError(f"no algorithm {algorithm!r}; choose from {', '.join(ALGORITHMS)}")
    form, classifier = _FAMILIES[algorithm]
    names = tuple(features)
    return Pipeline([("encode", ClaimEncoder(names, form)), ("classify", classifier(seed))])
