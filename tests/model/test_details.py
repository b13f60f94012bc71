"""Intervals, calibration and months."""

import datetime as dt

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from model.details import budget, calibration_error, details, intervals, months, reliability
from model.evaluate import evaluate
from schemas.claim import Claim
from tests.model.examples import dataset

DATA = dataset()
RNG = np.random.default_rng(5)
P = np.clip(0.1 + 0.2 * DATA.labels + RNG.normal(0, 0.1, len(DATA.labels)), 0, 1)


def test_an_interval_holds_its_figure_and_shrinks_with_more_claims() -> None:
    report = evaluate(DATA.labels, P)
    whole = intervals(DATA.labels, P)
    for name, interval in whole.items():
        assert interval.low <= getattr(report, name) <= interval.high
    half = intervals(DATA.labels[:150], P[:150])
    assert whole["roc_auc"].high - whole["roc_auc"].low < half["roc_auc"].high - half["roc_auc"].low
    assert intervals(DATA.labels, P) == whole


def test_the_interval_is_as_wide_as_the_figure_varies() -> None:
    """Against fresh samples of the same population, not resamples of one."""

    def sample() -> tuple[np.ndarray, np.ndarray]:
        y = (RNG.random(400) < 0.2).astype(int)
        return y, np.clip(RNG.normal(0.3 + 0.2 * y, 0.2), 0, 1)

    spread = np.std([roc_auc_score(*sample()) for _ in range(300)])
    found = intervals(*sample())["roc_auc"]
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(spread, rel=0.3)


def test_figures_without_meaning_have_no_interval() -> None:
    assert intervals(np.zeros(20, dtype=int), np.full(20, 0.1)).keys() == {"brier"}


def test_reliability_is_scikit_learns() -> None:
    bins = reliability(DATA.labels, P)
    observed, predicted = calibration_curve(DATA.labels, P, n_bins=10, strategy="quantile")
    assert [b.predicted for b in bins] == pytest.approx(predicted.tolist())
    assert [b.observed for b in bins] == pytest.approx(observed.tolist())
    assert sum(b.n for b in bins) == len(P)


def test_calibration_error_of_a_liar_and_of_the_truth() -> None:
    y = np.array([0, 0, 0, 1] * 50)
    assert calibration_error(reliability(y, np.full(200, 0.25))) == 0
    assert calibration_error(reliability(y, np.full(200, 0.75))) == pytest.approx(0.5)


def test_months_are_of_their_own_claims() -> None:
    days = [dt.date(2021, 1, 5), dt.date(2021, 1, 31), dt.date(2021, 2, 1), None]
    claims = [Claim(claim_id=str(i), loss_date=day) for i, day in enumerate(days)]
    january, february = months(claims, np.array([1, 0, 0, 1]), np.array([0.9, 0.1, 0.2, 0.8]))
    assert (january.month, january.n, january.frauds) == ("2021-01", 2, 1)
    assert (february.month, february.n, february.frauds) == ("2021-02", 1, 0)
    assert january.budgets[2].recall == pytest.approx(0.2)  # a tenth of two claims
    assert february.budgets[2].recall is None


def test_a_budgets_precision_and_recall() -> None:
    y, p = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0]), np.linspace(1, 0, 10)
    found = budget(y, p, 0.2)
    assert (found.precision, found.recall) == (0.5, 0.5)


def test_details_are_of_the_threshold_given() -> None:
    found = details(DATA.claims, DATA.labels, P, 0.3)
    assert found.report == evaluate(DATA.labels, P, 0.3)
    assert sum(m.n for m in found.months) == len(P)
    assert {g.field for g in found.groups} == {"policyholder_sex"}
