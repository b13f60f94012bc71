import pytest
from sklearn.linear_model import LogisticRegression

from model.compiled.fitted import agrees, compile_boosting, compile_classifier, explains
from model.datasets.dataset import load
from model.families.estimators import ALGORITHMS, build
from model.features.encoder import varying
from model.features.facts import claim_columns
from tests.model.examples import AUTO

MADE = load("synthetic", "synthetic", rows=3_000)
CATEGORICAL = tuple(filter(AUTO.is_category, AUTO.features()))
COLUMNS = claim_columns(AUTO, MADE.claims, AUTO.features())
FEATURES = varying(COLUMNS, CATEGORICAL)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_family_compiles_agrees_and_explains(algorithm: str) -> None:
    pipeline = build(algorithm, FEATURES, CATEGORICAL).fit(COLUMNS, MADE.labels)
    compiled = compile_classifier(pipeline["classify"])
    X = pipeline["encode"].codes(COLUMNS)
    assert agrees(compiled, pipeline["classify"], X)
    assert explains(compiled, X[:100])
    assert compiled.contributions(X[:100]).shape == (100, len(FEATURES) + 1)
    assert compiled.unit == ("probability" if algorithm == "random_forest" else "log-odds")


def test_agrees_finds_another_model() -> None:
    one, other = (
        build("gradient_boosting", FEATURES, CATEGORICAL).fit(COLUMNS, labels)
        for labels in (MADE.labels, MADE.labels[::-1].copy())
    )
    X = one["encode"].codes(COLUMNS)
    assert not agrees(compile_classifier(one["classify"]), other["classify"], X)


def test_agrees_finds_tables_of_another_model() -> None:
    one, other = (
        build("gradient_boosting", FEATURES, CATEGORICAL).fit(COLUMNS, labels)
        for labels in (MADE.labels, MADE.labels[::-1].copy())
    )
    X = one["encode"].codes(COLUMNS)[:16]
    first, second = (compile_boosting(pipeline["classify"][-1]) for pipeline in (one, other))
    assert agrees(first, one["classify"], X)
    first._tables = second._tables
    assert not agrees(first, one["classify"], X)


def test_explains_finds_contributions_of_another_model() -> None:
    one, other = (
        build("gradient_boosting", FEATURES, CATEGORICAL).fit(COLUMNS, labels)
        for labels in (MADE.labels, MADE.labels[::-1].copy())
    )
    X = one["encode"].codes(COLUMNS)[:50]
    first, second = (compile_boosting(pipeline["classify"][-1]) for pipeline in (one, other))
    assert explains(first, X)
    first._tables = second._tables
    assert not explains(first, X)


def test_other_classifiers_are_refused() -> None:
    with pytest.raises(TypeError, match="LogisticRegression cannot be compiled"):
        compile_classifier(LogisticRegression())
