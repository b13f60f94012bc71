"""The three families of models, by name, as unfitted pipelines.

Each is ``encode`` (`model.features.ClaimEncoder`) and ``classify``. All fitting, calibration
included, happens inside the pipeline: nothing is learnt from rows that are not given to ``fit``,
and no row is made up or repeated. Class weights are not used: they would spoil the probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from model.features import DEFAULT_FEATURES, ClaimEncoder, Form, is_category

DEFAULT_SEED: Final = 42


def _logistic(features: Sequence[str], seed: int) -> Any:
    return LogisticRegression(C=0.1, max_iter=2000, random_state=seed)


def _forest(features: Sequence[str], seed: int) -> Any:
    # Averaged leaves shrink towards the middle; a sigmoid fitted out of fold stretches them back.
    forest = RandomForestClassifier(
        n_estimators=200, min_samples_leaf=10, max_features=0.3, random_state=seed
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return CalibratedClassifierCV(forest, method="sigmoid", cv=folds, ensemble=False)


def _boosting(features: Sequence[str], seed: int) -> Any:
    # Few small trees fitted to the log loss: as good as many here, quick to evaluate, and
    # calibrated as they are.
    return HistGradientBoostingClassifier(
        max_iter=80,
        max_leaf_nodes=8,
        learning_rate=0.08,
        min_samples_leaf=20,
        l2_regularization=1.0,
        categorical_features=[is_category(name) for name in features],
        early_stopping=False,
        random_state=seed,
    )


_FAMILIES: Final[Mapping[str, tuple[Form, Callable[[Sequence[str], int], Any]]]] = {
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
    return Pipeline([("encode", ClaimEncoder(names, form)), ("classify", classifier(names, seed))])
