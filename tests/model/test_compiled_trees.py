import os
import subprocess
import sys
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from model.arrays import Matrix
from model.compiled.fitted import compile_boosting, compile_forest
from model.compiled.nodes import Leaf, Nodes, NodeSplit, boosted, grown

CATEGORICAL = [False, True, False, True, False, False]


def claims_like(seed: int, rows: int = 3_000) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Numbers and categories (one with 70 levels, -1 among them), a tenth of them missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    X[:, 1] = rng.integers(0, 5, rows)
    X[:, 3] = rng.integers(-1, 69, rows)
    X[:, 4] = np.round(X[:, 4])
    score = X[:, 0] + 0.7 * (X[:, 1] == 2) - 0.5 * (X[:, 3] % 3 == 0) + X[:, 4] * (X[:, 0] > 0)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, (score + rng.normal(size=rows) > 1).astype(np.int64)


def strange(X: Matrix, seed: int) -> Matrix:
    """The same with categories never seen and more missing values."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    unseen = (rng.random(X.shape) < 0.1) & np.array(CATEGORICAL)
    X[unseen] = rng.choice([-7, -1, 5, 31, 32, 63, 64, 500], unseen.sum())
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


@pytest.mark.parametrize("seed", range(6))
def test_boosting_equals_scikit_learn_to_the_last_bit(seed: int) -> None:
    X, y = claims_like(seed)
    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=12, categorical_features=CATEGORICAL, random_state=seed
    ).fit(X, y)
    sides = {
        n["missing_go_to_left"]
        for t in model._predictors
        for n in t[0].nodes
        if not n["is_leaf"] and n["is_categorical"]
    }
    assert sides == {0, 1}, "both sides of missing categories are to be tested"
    compiled = compile_boosting(model)
    for rows in (X, strange(X, seed), X[:1]):
        np.testing.assert_array_equal(compiled.raw(rows), model.decision_function(rows))


@pytest.mark.parametrize("seed", range(3))
def test_forest_equals_scikit_learn_to_the_last_bit(seed: int) -> None:
    X, y = claims_like(seed)
    model = RandomForestClassifier(30, min_samples_leaf=4, random_state=seed).fit(X, y)
    compiled = compile_forest(model)
    # Values right next to a threshold are where rounding to single precision matters.
    thresholds = np.concatenate(
        [t.tree_.threshold[t.tree_.feature == 0] for t in model.estimators_]
    )
    thresholds = thresholds[np.isfinite(thresholds)]
    edges = np.repeat(X[:1], len(thresholds), axis=0)
    edges[:, 0] = np.nextafter(thresholds, np.inf)
    for rows in (X, strange(X, seed), edges):
        np.testing.assert_array_equal(compiled.raw(rows), model.predict_proba(rows)[:, 1])


def test_numbers_missing_in_no_training_row() -> None:
    X, y = make_classification(1_000, random_state=0)
    holes = X.copy()
    holes[::3] = np.nan
    boosting = HistGradientBoostingClassifier(max_iter=10).fit(X, y)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    np.testing.assert_array_equal(
        compile_boosting(boosting).raw(holes), boosting.decision_function(holes)
    )
    np.testing.assert_array_equal(
        compile_forest(forest).raw(holes), forest.predict_proba(holes)[:, 1]
    )


def test_split_between_missing_and_all_else() -> None:
    X = np.where(np.arange(400) % 2, np.nan, np.arange(400.0))[:, None]
    y = (np.arange(400) % 2).astype(np.int64)
    model = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=2).fit(X, y)
    assert any(np.isinf(t[0].nodes["num_threshold"]).any() for t in model._predictors)
    rows = np.array([[0.0], [1e300], [-1e300], [np.nan]])
    np.testing.assert_array_equal(compile_boosting(model).raw(rows), model.decision_function(rows))


@pytest.mark.parametrize("forest", [False, True])
def test_contributions_add_up_to_the_raw_score(forest: bool) -> None:
    X, y = claims_like(1)
    compiled = (
        compile_forest(RandomForestClassifier(20, min_samples_leaf=10).fit(X, y))
        if forest
        else compile_boosting(
            HistGradientBoostingClassifier(max_iter=20, categorical_features=CATEGORICAL).fit(X, y)
        )
    )
    rows = strange(X, 2)[:300]
    parts = compiled.contributions(rows)
    assert parts.shape == (300, 7)
    np.testing.assert_allclose(parts.sum(axis=1), compiled.raw(rows), rtol=0, atol=1e-10)


def expected(nodes: Nodes, x: Matrix, known: frozenset[int], at: int = 0) -> float:
    """Mean of the leaves that x may reach if only these features are known."""
    node = nodes[at]
    if isinstance(node, Leaf):
        return node.value
    left, right = nodes[node.left].rows, nodes[node.right].rows
    if node.feature not in known:
        sides = (expected(nodes, x, known, node.left), expected(nodes, x, known, node.right))
        return (left * sides[0] + right * sides[1]) / (left + right)
    return expected(nodes, x, known, node.left if goes_left(node, x) else node.right)


def goes_left(node: NodeSplit, x: Matrix) -> bool:
    value = x[node.feature]
    if node.categories is not None:
        return not np.isnan(value) and int(value) in node.categories
    return node.missing_left if np.isnan(value) else bool(value <= node.threshold)


def shapley(trees: list[Nodes], x: Matrix, feature: int, features: int) -> float:
    """By definition: over all subsets of the other features."""
    others = [f for f in range(features) if f != feature]
    total = 0.0
    for size in range(features):
        for subset in combinations(others, size):
            without = frozenset(subset)
            gain = sum(expected(t, x, without | {feature}) - expected(t, x, without) for t in trees)
            total += gain / comb(features - 1, size) / features
    return total


def test_contributions_are_shapley_values_by_definition() -> None:
    X, y = claims_like(3)
    X[:, 3] = np.where(X[:, 3] < 0, 0, X[:, 3])
    model = HistGradientBoostingClassifier(
        max_iter=4, max_leaf_nodes=8, learning_rate=0.5, categorical_features=CATEGORICAL
    ).fit(X, y)
    trees, rows = boosted(model), X[:5]
    wanted = [[shapley(trees, x, f, 6) for f in range(6)] for x in rows]
    np.testing.assert_allclose(
        compile_boosting(model).contributions(rows)[:, :-1], wanted, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(4))
def test_contributions_of_small_trees_are_those_of_lightgbm(seed: int) -> None:
    X, y = claims_like(seed)
    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=8, categorical_features=CATEGORICAL, random_state=seed
    ).fit(X, y)
    compiled = compile_boosting(model)
    assert compiled._tables is not None
    rows = strange(X, seed)
    rows[:2, 0] = [np.inf, -np.inf]
    found = compiled.contributions(rows)
    np.testing.assert_allclose(found, compiled.lightgbm_contributions(rows), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(compiled.contributions(rows[:1]), found[:1])


@pytest.mark.parametrize("forest", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_small_trees_add_up_to_lightgbms_raw_score_to_the_last_bit(seed: int, forest: bool) -> None:
    X, y = claims_like(seed)
    if forest:
        drawn = RandomForestClassifier(40, max_leaf_nodes=8, random_state=seed).fit(X, y)
        compiled = compile_forest(drawn)
        limits = np.concatenate([tree.tree_.threshold for tree in drawn.estimators_])
    else:
        boosting = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, categorical_features=CATEGORICAL, random_state=seed
        ).fit(X, y)
        compiled = compile_boosting(boosting)
        limits = np.concatenate([t[0].nodes["num_threshold"] for t in boosting._predictors])
    assert compiled._tables is not None
    limits = limits[np.isfinite(limits)]
    edges = strange(np.repeat(X, 1 + len(limits) // len(X), axis=0)[: len(limits)], seed)
    edges[:, 0] = edges[:, 2] = limits
    edges[1::2, 0] = np.nextafter(limits[1::2], np.inf)
    edges[:4, 0] = [np.inf, -np.inf, np.nan, -0.0]
    for rows in (X, strange(X, seed), edges, X[:2], X[:1]):
        found = compiled.raw(rows)
        np.testing.assert_array_equal(found, compiled.lightgbm_raw(rows))
        np.testing.assert_array_equal(
            found, compiled._tables.raw(compiled._seen(rows)) / compiled._divisor
        )
    single = [compiled.raw(edges[row : row + 1])[0] for row in range(len(edges))]
    np.testing.assert_array_equal(single, compiled.raw(edges))


def test_larger_trees_are_left_to_lightgbm() -> None:
    X, y = claims_like(0)
    small = RandomForestClassifier(5, max_leaf_nodes=8, random_state=0).fit(X, y)
    large = RandomForestClassifier(5, max_leaf_nodes=32, random_state=0).fit(X, y)
    assert compile_forest(large)._tables is None
    tabulated = compile_forest(small)
    assert tabulated._tables is not None
    np.testing.assert_allclose(
        tabulated.contributions(X), tabulated.lightgbm_contributions(X), rtol=0, atol=1e-12
    )


def test_trees_that_split_nothing_contribute_nothing() -> None:
    X, y = claims_like(0)
    model = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=8).fit(X[:5], y[:5])
    compiled = compile_boosting(model)
    found = compiled.contributions(X[:3])
    assert not found[:, :-1].any()
    np.testing.assert_allclose(found[:, -1], compiled.raw(X[:3]))


def test_rows_of_a_forests_leaves_are_the_drawn_training_rows() -> None:
    X, y = claims_like(5, rows=500)
    for nodes in grown(RandomForestClassifier(3, random_state=0).fit(X, y)):
        assert nodes[0].rows == sum(n.rows for n in nodes if isinstance(n, Leaf)) == 500


def test_more_than_two_classes_are_refused() -> None:
    X, y = make_classification(300, n_informative=5, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match="not 3"):
        compile_boosting(HistGradientBoostingClassifier(max_iter=2).fit(X, y))
    with pytest.raises(ValueError, match="not 3"):
        compile_forest(RandomForestClassifier(2).fit(X, y))


CONTRIBUTIONS = """
import sys
from pathlib import Path
from model.datasets.dataset import load as load_data
from model.scoring.load import load
scorer = load(Path(sys.argv[1]))
codes = scorer.codes(load_data("synthetic", "synthetic", rows=200, seed=3).claims)
sys.stdout.buffer.write(scorer.compiled.contributions(codes).tobytes())
"""


@pytest.mark.slow
def test_contributions_are_the_same_whatever_the_processor_multiplies_with(model_dir: Path) -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", CONTRIBUTIONS, str(model_dir)],
            env={**os.environ, "OPENBLAS_CORETYPE": kind},
            capture_output=True,
            check=True,
        ).stdout
        for kind in ("Haswell", "Prescott", "SkylakeX")
    }
    assert len(found) == 1
    assert next(iter(found))
