"""From a data set to figures."""

import datetime as dt

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load
from model.features.facts import claim_columns
from model.metrics import evaluate
from model.thresholds import Fixed
from model.training.train import fit, out_of_fold, pick, predict, split, train
from tests.model.examples import AUTO, FEATURES, dataset
from tests.model.sources import shared

DATA = dataset()


def test_the_report_is_of_the_test_side_only() -> None:
    plan = SplitPlan(kind="random", seed=3)
    trained = train(DATA, "logistic_regression", plan, policy=Fixed(0.3))
    _, test = split(DATA, plan)
    columns = claim_columns(AUTO, pick(DATA.claims, test), trained.pipeline["encode"].features)
    p = trained.pipeline.predict_proba(columns)[:, 1]
    assert trained.report == evaluate(DATA.labels[test], p, 0.3)
    assert trained.report.n == 120


def test_nothing_is_learnt_from_the_test_side() -> None:
    """Labels of the test side turned round: the model is the same, the figures are not."""
    plan = SplitPlan(kind="time")
    _, test = split(DATA, plan)
    labels = DATA.labels.copy()
    labels[test] = 1 - labels[test]
    turned = type(DATA)(AUTO, DATA.claims, labels, "turned", DATA.digest, DATA.format)
    models = [train(d, "gradient_boosting", plan) for d in (DATA, turned)]
    columns = claim_columns(AUTO, DATA.claims, models[0].pipeline["encode"].features)
    first, second = (m.pipeline.predict_proba(columns) for m in models)
    assert first.tobytes() == second.tobytes()
    assert models[0].report != models[1].report


def test_scores_to_choose_a_threshold_on_are_not_of_the_claims_fitted() -> None:
    """Labels by the toss of a coin: a model knows those it was shown and no others."""
    coin = np.random.default_rng(0).integers(0, 2, len(DATA.claims)).astype(np.int8)
    held_out = out_of_fold(
        AUTO, DATA.claims, coin, DATA.groups, "gradient_boosting", features=FEATURES
    )
    fitted = fit(AUTO, DATA.claims, coin, "gradient_boosting", features=FEATURES)
    shown = predict(AUTO, fitted, DATA.claims)
    assert roc_auc_score(coin, shown) > 0.65
    assert roc_auc_score(coin, held_out) < 0.6


def test_the_splits() -> None:
    train_rows, test_rows = split(DATA, SplitPlan(kind="time", cutoff=dt.date(2021, 7, 1)))
    days = [c.loss_date for c in DATA.claims]
    assert all(days[i] < dt.date(2021, 7, 1) for i in train_rows)
    assert all(days[i] >= dt.date(2021, 7, 1) for i in test_rows)
    every, same = split(DATA, SplitPlan(kind="none"))
    assert len(every) == len(same) == len(DATA.claims)


def test_features_that_never_vary_are_left_out() -> None:
    pipeline = fit(AUTO, DATA.claims, DATA.labels, "gradient_boosting", features=FEATURES)
    assert "collision_type" not in pipeline["encode"].features
    assert "fault" in pipeline["encode"].features
    assert "policyholder_sex" not in pipeline["encode"].features


def test_what_cannot_be_learnt_from_is_refused() -> None:
    none = np.zeros(len(DATA.claims), dtype=np.int8)
    with pytest.raises(ValueError, match="both frauds and other"):
        fit(AUTO, DATA.claims, none, "gradient_boosting", features=FEATURES)
    one = np.zeros(len(DATA.claims), dtype=np.int8)
    one[0] = 1
    with pytest.raises(ValueError, match="two frauds and two other"):
        out_of_fold(AUTO, DATA.claims, one, DATA.groups, "gradient_boosting", features=FEATURES)
    with pytest.raises(ValueError, match="no feature varies"):
        fit(AUTO, DATA.claims, DATA.labels, "gradient_boosting", features=["collision_type"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "form", "low", "high"),
    [
        ("fraud_oracle.csv", "carclaims", 0.80, 0.85),
        ("insurance_claims.csv", "insurance_claims", 0.72, 0.88),
    ],
)
def test_real_claims_score_as_well_as_they_honestly_can(
    file: str, form: str, low: float, high: float
) -> None:
    data = load(shared(file), form)
    report = train(data, "gradient_boosting", SplitPlan(kind="random")).report
    assert report.roc_auc is not None
    assert low < report.roc_auc < high
    assert report.brier < report.fraud_rate * (1 - report.fraud_rate)
