"""Pipelines fitted by scikit-learn: as plain data, and compared with what is made from it.

The only module of this package that needs scikit-learn: a model is turned into plain data where it
is trained or migrated, and compared where it is trained, migrated or promoted.
"""

import sys
from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline

from model.arrays import Matrix
from model.compiled import nodes as trees
from model.compiled.classifier import CONTRIBUTION_TOLERANCE, AfterSteps, Compiled, adds_up
from model.compiled.nodes import Leaf, Nodes
from model.compiled.plain import (
    LEAF,
    PlainClassifier,
    PlainCrosses,
    PlainEncoder,
    PlainPipeline,
    PlainRates,
    PlainTree,
    PlainTrees,
    PlainVocabulary,
)
from model.compiled.trees import CompiledTrees

TOLERANCE: Final = 1e-12
"""Largest difference from scikit-learn's probabilities that `agrees` accepts."""
_LARGEST: Final = sys.float_info.max


def plain_pipeline(pipeline: Any) -> PlainPipeline:
    """A fitted pipeline from `model.families.estimators.build` as plain data.

    Raises:
        TypeError: its classifier does not belong to a family that can be compiled.
    """
    encoder = pipeline["encode"]
    vocabularies = {
        name: PlainVocabulary(categories=one.categories, spellings=one.spellings())
        for name, one in encoder.vocabularies_.items()
    }
    return PlainPipeline(
        encode=PlainEncoder(features=tuple(encoder.features), vocabularies=vocabularies),
        classify=plain_classifier(pipeline["classify"]),
    )


def plain_classifier(classifier: Any) -> PlainClassifier:
    """The last step of such a pipeline as plain data.

    Raises:
        TypeError: as `plain_pipeline`.
    """
    if not isinstance(classifier, Pipeline):
        return PlainClassifier(scores=_trees(classifier))
    steps = dict(classifier.steps)
    rates, screen = steps.get("rates"), steps.get("screen")
    # Trees never use what was constant when they were grown; tables have an entry for everything.
    masked: list[int] = []
    if screen is not None and "cross" in steps:
        masked = np.flatnonzero(screen.dropped_).tolist()
    return PlainClassifier(
        rates=None if rates is None else _rates(rates),
        masked=tuple(masked),
        scores=_crosses(steps["cross"], steps["weigh"])
        if "cross" in steps
        else _trees(classifier[-1]),
    )


def compile_classifier(classifier: Any) -> Compiled:
    """The compiled form of such a classifier.

    Raises:
        TypeError: as `plain_pipeline`.
    """
    return plain_classifier(classifier).compiled()


def compile_boosting(classifier: Any) -> CompiledTrees:
    """A fitted binary gradient boosting; the raw score is its ``decision_function``.

    Raises:
        ValueError: it has more than two classes.
    """
    return _boosting(classifier).compiled()


def compile_forest(classifier: Any) -> CompiledTrees:
    """A fitted binary random forest; the raw score is the probability of the second class.

    Raises:
        ValueError: it has more than two classes.
    """
    return _forest(classifier).compiled()


def difference(compiled: Compiled, classifier: Any, X: Matrix) -> str | None:
    """How a compiled classifier differs from the fitted one, in words; None if it does not.

    Args:
        compiled: what scores.
        classifier: what it was made from.
        X: encoded claims to compare them with, shape (n_claims, n_features).
    """
    if not agrees(compiled, classifier, X):
        return "the compiled model does not score its golden examples as scikit-learn does"
    if not explains(compiled, X):
        return (
            "contributions to the scores of its golden examples do not add up to them, or differ "
            "from LightGBM's"
        )
    return None


def agrees(compiled: Compiled, classifier: Any, X: Matrix) -> bool:
    """True if both give the same probabilities for X, shape (n_claims, n_features).

    One claim and many are scored in different ways: both are compared.
    """
    wanted = classifier.predict_proba(X)[:, 1]
    single = [compiled.probabilities(X[row : row + 1])[0] for row in range(len(X))]
    found = np.stack([np.array(single), compiled.probabilities(X)])
    return bool(np.all(np.abs(found - wanted) <= TOLERANCE))


def explains(compiled: Compiled, X: Matrix) -> bool:
    """True if contributions for X, shape (n_claims, n_features), add up to the raw scores.

    Contributions of trees must also be those that LightGBM computes.
    """
    if isinstance(compiled, AfterSteps):
        return explains(compiled.seen, compiled.prepared(X))
    if not adds_up(compiled, X):
        return False
    if not isinstance(compiled, CompiledTrees):
        return True
    own = np.abs(compiled.contributions(X) - compiled.lightgbm_contributions(X))
    return bool(own.max(initial=0.0) <= CONTRIBUTION_TOLERANCE)


def _rates(rates: Any) -> PlainRates:
    return PlainRates(
        columns=tuple(rates.columns_), tables=tuple(tuple(t.tolist()) for t in rates.tables_)
    )


def _crosses(encoder: Any, regression: Any) -> PlainCrosses:
    return PlainCrosses(
        categorical=tuple(map(bool, encoder.categorical)),
        edges=tuple(tuple(edges.tolist()) for edges in encoder.edges_),
        shares=tuple(tuple(shares.tolist()) for shares in encoder.shares_),
        pairs=tuple((one, other) for one, other in encoder.pairs_.tolist()),
        intercept=float(regression.intercept_[0]),
        weights=tuple(regression.coef_[0].tolist()),
    )


def _trees(classifier: Any) -> PlainTrees:
    if isinstance(classifier, HistGradientBoostingClassifier):
        return _boosting(classifier)
    if isinstance(classifier, RandomForestClassifier):
        return _forest(classifier)
    raise TypeError(f"{type(classifier).__name__} cannot be compiled")


def _boosting(classifier: Any) -> PlainTrees:
    return PlainTrees(
        trees=tuple(map(_tree, trees.boosted(classifier))),
        offsets=tuple(trees.category_offsets(classifier).tolist()),
    )


def _forest(classifier: Any) -> PlainTrees:
    return PlainTrees(
        trees=tuple(map(_tree, trees.grown(classifier))),
        offsets=(0.0,) * classifier.n_features_in_,
        mean=True,
        single=True,
    )


def _tree(nodes: Nodes) -> PlainTree:
    return PlainTree(
        feature=tuple(LEAF if isinstance(node, Leaf) else node.feature for node in nodes),
        value=tuple(
            # Infinity becomes the largest number, as LightGBM reads it: JSON has no infinity.
            node.value if isinstance(node, Leaf) else min(max(node.threshold, -_LARGEST), _LARGEST)
            for node in nodes
        ),
        left=tuple(0 if isinstance(node, Leaf) else node.left for node in nodes),
        right=tuple(0 if isinstance(node, Leaf) else node.right for node in nodes),
        rows=tuple(node.rows for node in nodes),
        missing_left=tuple(not isinstance(node, Leaf) and node.missing_left for node in nodes),
        categories={
            number: node.categories
            for number, node in enumerate(nodes)
            if not isinstance(node, Leaf) and node.categories is not None
        },
    )
