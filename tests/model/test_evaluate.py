"""The figures, against hand computation and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from model.metrics import evaluate, recall_at

Y = np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
P = np.array([0.9, 0.8, 0.1, 0.6, 0.2, 0.3, 0.05, 0.5, 0.0, 0.15])


def test_figures_of_ten_claims() -> None:
    report = evaluate(Y, P)
    assert report.n == 10
    assert report.fraud_rate == 0.2
    assert report.threshold == 0.5
    assert report.accuracy == 0.8
    assert report.precision == 0.5  # 2 of the 4 at or above 0.5
    assert report.recall == 1.0
    assert report.f1 == pytest.approx(2 / 3)
    assert report.roc_auc == pytest.approx(15 / 16)  # one of 16 pairs in the wrong order
    assert report.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert report.brier == pytest.approx(((P - Y) ** 2).mean())
    assert report.recall_at_10pct == 0.5
    assert report.recall_at_5pct == 0.25  # half a claim's worth of budget on a fraud


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.3, 0.5, 0.9])), min_size=2),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_figures_agree_with_scikit_learn(rows: list[tuple[bool, float]], threshold: float) -> None:
    y, p = np.array([r[0] for r in rows], dtype=int), np.array([r[1] for r in rows])
    report = evaluate(y, p, threshold)
    referred = p >= threshold
    assert report.accuracy == pytest.approx(metrics.accuracy_score(y, referred))
    assert report.precision == pytest.approx(metrics.precision_score(y, referred, zero_division=0))
    assert report.recall == pytest.approx(metrics.recall_score(y, referred, zero_division=0))
    assert report.f1 == pytest.approx(metrics.f1_score(y, referred, zero_division=0))


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.9])), min_size=1, max_size=6),
    st.integers(1, 6),
)
def test_recall_at_a_budget_is_the_mean_over_all_orders(
    rows: list[tuple[bool, float]], budget: int
) -> None:
    y, p = np.array([r[0] for r in rows], dtype=int), np.array([r[1] for r in rows])
    budget = min(budget, len(y))
    found = recall_at(y, p, budget / len(y))
    if not y.any():
        assert found is None
        return
    orders = [
        order
        for order in itertools.permutations(range(len(y)))
        if all(p[a] >= p[b] for a, b in itertools.pairwise(order))
    ]
    mean = np.mean([y[list(order[:budget])].sum() for order in orders])
    assert found == pytest.approx(mean / y.sum())


def test_the_order_of_rows_does_not_matter_to_ties() -> None:
    y, p = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), np.full(10, 0.3)
    assert recall_at(y, p, 0.1) == recall_at(y[::-1].copy(), p, 0.1) == pytest.approx(0.1)


def test_undefined_figures_are_none() -> None:
    none = evaluate(np.zeros(3, dtype=int), np.full(3, 0.2))
    assert (none.roc_auc, none.average_precision, none.recall_at_5pct) == (None, None, None)
    assert (none.precision, none.recall, none.f1) == (0, 0, 0)
    only = evaluate(np.ones(3, dtype=int), np.full(3, 0.2))
    assert only.roc_auc is None
    assert only.average_precision == 1


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([], [], "no claims"),
        ([1, 0], [0.1], "2 labels but 1 probabilities"),
        ([1, 0], [0.1, 1.1], "outside"),
        ([1, 0], [0.1, float("nan")], "outside"),
    ],
)
def test_nonsense_is_refused(y: list[int], p: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(np.array(y, dtype=int), np.array(p, dtype=float))
