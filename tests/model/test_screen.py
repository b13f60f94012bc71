import numpy as np
import pytest
from scipy.stats.contingency import chi2_contingency, crosstab
from sklearn.pipeline import Pipeline

from model.compiled.fitted import agrees, compile_classifier
from model.families.estimators import ALGORITHMS, build
from model.families.screen import Screen

RNG = np.random.default_rng(0)
ROWS = 1_500
Y = (RNG.random(ROWS) < 0.3).astype(np.int8)
X = np.column_stack([Y + RNG.normal(size=ROWS), RNG.normal(size=ROWS), RNG.integers(0, 4, ROWS)])
CODED = [False, False, True]


def test_noise_is_dropped_and_evidence_stays() -> None:
    screen = Screen(CODED, level=0.01).fit(X, Y)
    assert screen.dropped_.tolist() == [False, True, True]
    seen = screen.transform(X)
    assert (seen[:, 1:] == 0).all()
    np.testing.assert_array_equal(seen[:, 0], X[:, 0])
    assert (X[:, 1] != 0).all(), "the input was changed"


def test_with_enough_claims_nothing_is_dropped() -> None:
    screen = Screen(CODED, enough=ROWS).fit(X, Y)
    assert not screen.dropped_.any()
    assert screen.transform(X) is X


def test_the_best_stays_without_evidence() -> None:
    assert Screen([False, True], level=0.01).fit(X[:, 1:], Y).dropped_.sum() == 1


def test_the_test_is_pearsons() -> None:
    table = crosstab(Y, X[:, 2]).count
    expected = chi2_contingency(table, correction=False).pvalue
    found = Screen(CODED)._p_values(X, Y)[2]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_dropped_features_neither_score_nor_explain(algorithm: str) -> None:
    classifier: Pipeline = build(algorithm, ["witnesses", "loss_hour", "fault"], ["fault"])[
        "classify"
    ]
    classifier.set_params(screen__level=0.01).fit(X, Y)
    assert classifier["screen"].dropped_.tolist() == [False, True, True]
    compiled = compile_classifier(classifier)
    assert agrees(compiled, classifier, X)
    other = X.copy()
    other[:, 1:] = 99
    np.testing.assert_array_equal(compiled.raw(other), compiled.raw(X))
    assert (compiled.contributions(X)[:, 1:3] == 0).all()
