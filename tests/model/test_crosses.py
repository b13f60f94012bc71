from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer

from model.arrays import Matrix
from model.compiled.fitted import compile_classifier
from model.families.crosses import CrossEncoder

CATEGORICAL = (False, True, False, True)


def claims_like(seed: int = 0, rows: int = 800) -> tuple[Matrix, npt.NDArray[np.int8]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    X[:, 1] = rng.integers(0, 3, rows)
    X[:, 2] = rng.integers(0, 4, rows) * 2.5
    X[:, 3] = rng.integers(-1, 5, rows)
    y = (X[:, 0] * (X[:, 1] == 1) + (X[:, 2] > 2) * (X[:, 3] == 2) + rng.normal(size=rows)) > 1
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y.astype(np.int8)


def fitted(crossed: int = 3) -> tuple[Pipeline, Matrix]:
    X, y = claims_like()
    steps = [("cross", CrossEncoder(CATEGORICAL, 4, crossed)), ("weigh", LogisticRegression())]
    return Pipeline(steps).fit(X, y), X


def test_each_claim_is_in_one_cell_of_each_feature_and_pair() -> None:
    pipeline, X = fitted()
    encoder = pipeline["cross"]
    columns = encoder.transform(X).toarray()
    assert set(np.unique(columns)) == {0.0, 1.0}
    blocks = np.split(columns, encoder.starts_[1:-1], axis=1)
    assert len(blocks) == 4 + 3
    for block in blocks:
        assert (block.sum(axis=1) == 1).all()
    for (left, right), block in zip(encoder.pairs_, blocks[4:], strict=True):
        both = blocks[left][:, :, None] * blocks[right][:, None, :]
        np.testing.assert_array_equal(block, both.reshape(len(X), -1))


def test_ranges_are_the_quantiles_of_scikit_learn() -> None:
    X = np.random.default_rng(1).normal(size=(500, 1))
    ours = CrossEncoder([False], ranges=5).fit(X, (X[:, 0] > 0).astype(np.int8)).cells(X)
    theirs = KBinsDiscretizer(5, encode="ordinal", quantile_method="linear").fit_transform(X)
    np.testing.assert_array_equal(ours, theirs)


def test_few_values_missing_and_unknown_have_cells_of_their_own() -> None:
    X = np.array([[1.0, 0], [2, 1], [4, np.nan], [np.nan, 0]])
    encoder = CrossEncoder([False, True]).fit(X, np.array([0, 1, 0, 1], dtype=np.int8))
    assert encoder.cells(X)[:, 0].tolist() == [0, 1, 2, 3]
    assert encoder.cells(np.array([[-9.0, 0], [99, 1]]))[:, 0].tolist() == [0, 2]
    known, unknown, missing = [0.0, 1.0], [-1.0, 7.0], [np.nan]
    cells = encoder.cells(np.array([[1.0, c] for c in known + unknown + missing]))[:, 1]
    assert cells[0] != cells[1]
    assert cells[2] == cells[3]
    assert len({*cells.tolist()}) == 4


def test_unknown_category_adds_nothing_to_the_score() -> None:
    X, y = claims_like()
    X[:, 3] = np.where(X[:, 3] < 0, 0, X[:, 3])
    pipeline = Pipeline(
        [("cross", CrossEncoder(CATEGORICAL)), ("weigh", LogisticRegression())]
    ).fit(X, y)
    entry = pipeline["cross"].columns(np.array([[0, 0, 0, 99.0]]))[0, 3]
    assert pipeline["weigh"].coef_[0, entry] == 0


def test_the_most_telling_features_are_crossed() -> None:
    encoder = fitted(crossed=2)[0]["cross"]
    assert len(encoder.pairs_) == 1
    X, y = claims_like()
    noise = np.column_stack([np.random.default_rng(5).normal(size=len(X)), X[:, 0], y])
    assert CrossEncoder([False] * 3, crossed=2).fit(noise, y).pairs_.tolist() == [[1, 2]]


def test_a_constant_feature_is_not_crossed() -> None:
    X, y = claims_like()
    X[:, 1] = 2.0
    assert 1 not in CrossEncoder(CATEGORICAL, crossed=4).fit(X, y).pairs_


@pytest.mark.parametrize("crossed", [0, 3, 4])
def test_compiled_form_equals_scikit_learn(crossed: int) -> None:
    pipeline, X = fitted(crossed)
    compiled = compile_classifier(pipeline)
    X[::5, 1], X[::7, 3] = 50, -1
    np.testing.assert_allclose(compiled.raw(X), pipeline.decision_function(X), rtol=0, atol=1e-12)
    wanted = pipeline.predict_proba(X)[:, 1]
    np.testing.assert_allclose(compiled.probabilities(X), wanted, rtol=0, atol=1e-14)


def test_contributions_add_up_and_are_shapley_values_by_definition() -> None:
    pipeline, X = fitted(crossed=3)
    encoder = pipeline["cross"]
    compiled = compile_classifier(pipeline)
    rows = X[:4]
    parts = compiled.contributions(rows)
    np.testing.assert_allclose(parts.sum(axis=1), compiled.raw(rows), rtol=0, atol=1e-12)
    weights, cells = pipeline["weigh"].coef_[0], encoder.cells(rows)

    def worth(row: int, known: frozenset[int]) -> float:
        """Expected raw score if only these features are known, the others independent."""
        shares = [
            np.eye(encoder.sizes_[f])[cells[row, f]] if f in known else encoder.shares_[f]
            for f in range(4)
        ]
        tables = np.split(weights, encoder.starts_[1:-1])
        total = sum(float(shares[f] @ tables[f]) for f in range(4))
        for (a, b), table in zip(encoder.pairs_, tables[4:], strict=True):
            total += float(shares[a] @ table.reshape(len(shares[a]), -1) @ shares[b])
        return total

    def shapley(row: int, feature: int) -> float:
        others = [f for f in range(4) if f != feature]
        return sum(
            (worth(row, frozenset(known) | {feature}) - worth(row, frozenset(known)))
            / comb(3, size)
            / 4
            for size in range(4)
            for known in combinations(others, size)
        )

    wanted = [[shapley(row, feature) for feature in range(4)] for row in range(4)]
    np.testing.assert_allclose(parts[:, :-1], wanted, atol=1e-12)
