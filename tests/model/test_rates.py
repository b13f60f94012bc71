"""Shares of fraud in place of many categories: what they add, and that labels do not leak."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from model.arrays import Labels, Matrix
from model.artifact.manifest import SplitPlan
from model.compiled.fitted import agrees, compile_classifier, explains
from model.datasets.dataset import Dataset
from model.drift import MOST_CODES, code_bins
from model.families.estimators import ALGORITHMS, RATED, build
from model.families.rates import CategoryRates
from model.features.encoder import MANY, many_valued
from model.features.facts import Column
from model.training.train import fit, out_of_fold, predict, split
from schemas.decoding.structs import partial_type
from tests.schemas.contracts import small

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(4)
ROWS, GARAGES = 4_000, 300
GARAGE = RNG.integers(0, GARAGES, ROWS)
SPEED = RNG.normal(size=ROWS)
CHANCE = np.random.default_rng(5).normal(size=ROWS)
BAD = RNG.random(GARAGES) < 0.1
SIGNAL = (RNG.random(ROWS) < np.where(BAD[GARAGE], 0.5, 0.05)).astype(np.int8)
"""Labels that depend on the garage."""
NOISE = (RNG.random(ROWS) < 1 / (1 + np.exp(2.5 - SPEED))).astype(np.int8)
"""Labels that depend on the speed, and on no garage."""
CONTRACT = small(
    {
        "garage": {"type": "string", "x-role": "feature", "x-entity": "garage"},
        "speed": {"type": "number", "x-role": "feature"},
        "chance": {"type": "number", "x-role": "feature"},
    }
)


def data(labels: Labels) -> Dataset:
    kind = partial_type(CONTRACT)
    claims = [
        kind(claim_no=str(n), garage=f"G{g}", speed=v, chance=c)
        for n, (g, v, c) in enumerate(
            zip(GARAGE.tolist(), SPEED.tolist(), CHANCE.tolist(), strict=True)
        )
    ]
    return Dataset(CONTRACT, claims, labels.astype(np.int8), name="garages")


def codes() -> Matrix:
    return np.column_stack([GARAGE.astype(np.float64), SPEED])


def columns() -> dict[str, Column]:
    return {"garage": [f"G{g}" for g in GARAGE.tolist()], "speed": SPEED}


def test_a_share_is_drawn_towards_the_share_of_all() -> None:
    X = np.array([[0.0], [0.0], [0.0], [1.0], [np.nan], [-1.0], [1.0], [1.0]])
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0])
    rates = CategoryRates([True], weight=2.0).fit(X, y)
    prior = 3 / 8
    seen = rates.transform(np.array([[0.0], [1.0], [7.0], [-1.0], [np.nan]]))[:, 0]
    wanted = [(2 + 2 * prior) / 5, (2 * prior) / 5, prior, prior]
    np.testing.assert_allclose(seen[:4], wanted)
    assert np.isnan(seen[4])
    assert X[0, 0] == 0, "the input was changed"


def test_a_claims_own_label_is_not_in_the_share_it_is_trained_with() -> None:
    rates = CategoryRates([True, False], seed=1)
    X = codes()
    seen = rates.fit_transform(X, NOISE)
    np.testing.assert_array_equal(seen[:, 1], SPEED)
    own = roc_auc_score(NOISE, rates.transform(X)[:, 0])
    assert own > 0.65, "shares that contain the label would repeat it"
    assert abs(roc_auc_score(NOISE, seen[:, 0]) - 0.5) < 0.05
    changed = NOISE.copy()
    changed[0] = 1 - changed[0]
    other = CategoryRates([True, False], seed=1).fit(X, changed)
    assert (other.tables_[0] != rates.tables_[0]).any()


def test_a_single_fraud_teaches_no_shares() -> None:
    y = np.zeros(20, dtype=np.int8)
    y[0] = 1
    X = np.arange(20.0)[:, None] % 4
    assert len(np.unique(CategoryRates([True], seed=1).fit_transform(X, y))) == 1


@pytest.mark.parametrize("algorithm", sorted(RATED))
def test_garages_that_mean_something_are_learnt(algorithm: str) -> None:
    made = data(SIGNAL)
    train, test = split(made, SplitPlan(kind="random", test_size=0.4))
    given = [made.claims[i] for i in train]
    pipeline = fit(CONTRACT, given, SIGNAL[train], algorithm, features=("garage", "speed"))
    p = predict(CONTRACT, pipeline, [made.claims[i] for i in test])
    assert roc_auc_score(SIGNAL[test], p) > 0.65
    X = pipeline["encode"].codes(columns())
    X[:3, 0] = [np.nan, -1, GARAGES + 5]
    compiled = compile_classifier(pipeline["classify"])
    assert agrees(compiled, pipeline["classify"], X)
    assert explains(compiled, X)
    assert np.abs(compiled.contributions(X)[:, 0]).max() > 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_garages_that_mean_nothing_neither_help_nor_leak(algorithm: str) -> None:
    made = data(NOISE)
    train, test = split(made, SplitPlan(kind="random", test_size=0.4))
    given, labels = [made.claims[i] for i in train], NOISE[train]
    others = [made.claims[i] for i in test]

    def tested(*features: str) -> float:
        pipeline = fit(CONTRACT, given, labels, algorithm, features=features)
        return float(roc_auc_score(NOISE[test], predict(CONTRACT, pipeline, others)))

    # A forest also changes with how many columns it draws from: so with one that is chance.
    assert abs(tested("garage", "speed") - tested("chance", "speed")) < 0.02
    held_out = out_of_fold(
        CONTRACT, given, labels, np.arange(len(given)), algorithm, features=("garage", "speed")
    )
    # The threshold is chosen by these: they must promise no more than the test claims keep.
    assert abs(roc_auc_score(labels, held_out) - tested("garage", "speed")) < 0.06
    alone = out_of_fold(
        CONTRACT, given, labels, np.arange(len(given)), algorithm, features=("garage",)
    )
    assert abs(roc_auc_score(labels, alone) - 0.5) < 0.08


def test_few_categories_stay_codes() -> None:
    names = [f"G{n}" for n in range(MANY)]
    assert many_valued({"garage": [*names, None, "g0 "]}, ["garage"]) == ()
    assert many_valued({"garage": [*names, "other"]}, ["garage"]) == ("garage",)
    assert many_valued({"garage": [*names, "other"]}, []) == ()
    plain: Pipeline = build("gradient_boosting", ["garage"], ["garage"])["classify"]
    assert [name for name, _ in plain.steps] == ["screen", "boosting"]


def test_more_categories_than_codes_are_learnt_where_shares_replace_them() -> None:
    for rated, known in (((), 64), (("garage",), GARAGES)):
        pipeline = build("gradient_boosting", ["garage"], ["garage"], rated=rated)
        pipeline["encode"].fit(columns())
        assert len(pipeline["encode"].categories()["garage"]) == known


@pytest.mark.parametrize(("known", "bins"), [(0, 2), (1, 3), (MOST_CODES, MOST_CODES + 2)])
def test_codes_have_a_bin_each(known: int, bins: int) -> None:
    assert len(code_bins(np.array([-1.0, 0.0]), known).counts) == bins


def test_many_codes_share_bins() -> None:
    found = code_bins(GARAGE.astype(np.float64), GARAGES)
    assert 32 < len(found.counts) <= MOST_CODES + 2
    assert found.counts[0] == found.counts[-1] == 0, "unknown and missing have their own"
    assert sum(found.counts) == ROWS
