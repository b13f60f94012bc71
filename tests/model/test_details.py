"""Intervals, calibration and months."""

import datetime as dt

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from model.datasets.dataset import Dataset
from model.evaluation.details import budget, calibration_error, details, months, reliability
from model.metrics import evaluate
from schemas.claim import Claim
from tests.model.examples import AUTO, dataset

DATA = dataset()
RNG = np.random.default_rng(5)
P = np.clip(0.1 + 0.2 * DATA.labels + RNG.normal(0, 0.1, len(DATA.labels)), 0, 1)


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
    made = Dataset(AUTO, claims, np.array([1, 0, 0, 1], dtype=np.int8))
    january, february = months(made, np.array([0.9, 0.1, 0.2, 0.8]))
    assert (january.month, january.n, january.frauds) == ("2021-01", 2, 1)
    assert (february.month, february.n, february.frauds) == ("2021-02", 1, 0)
    assert january.budgets[2].recall == pytest.approx(0.2)  # a tenth of two claims
    assert february.budgets[2].recall is None


def test_a_budgets_precision_and_recall() -> None:
    y, p = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0]), np.linspace(1, 0, 10)
    found = budget(y, p, 0.2)
    assert (found.precision, found.recall) == (0.5, 0.5)


def test_details_are_of_the_threshold_given() -> None:
    found = details(DATA, P, 0.3)
    assert found.report == evaluate(DATA.labels, P, 0.3)
    assert sum(m.n for m in found.months) == len(P)
    assert {g.field for g in found.groups} == {"policyholder_sex"}
