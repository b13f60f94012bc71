"""The three families behind one interface."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from model.families.estimators import ALGORITHMS, build
from model.features.encoder import claim_frame, varying
from model.features.facts import claim_columns
from tests.model.examples import AUTO, dataset

DATA = dataset(900)
CATEGORICAL = tuple(filter(AUTO.is_category, AUTO.features()))
FEATURES = varying(claim_columns(AUTO, DATA.claims, AUTO.features()), CATEGORICAL)
COLUMNS = claim_columns(AUTO, DATA.claims, FEATURES)
NEW = dataset(400, seed=2)
NEW_COLUMNS = claim_columns(AUTO, NEW.claims, FEATURES)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_learns_gives_probabilities_and_takes_both_inputs(algorithm: str) -> None:
    pipeline = build(algorithm, FEATURES, CATEGORICAL)
    by_mapping = clone(pipeline).fit(COLUMNS, DATA.labels).predict_proba(NEW_COLUMNS)
    frame, new_frame = (claim_frame(AUTO, d.claims, FEATURES) for d in (DATA, NEW))
    by_frame = clone(pipeline).fit(frame, DATA.labels).predict_proba(new_frame)
    assert by_frame.tobytes() == by_mapping.tobytes()
    assert roc_auc_score(NEW.labels, by_mapping[:, 1]) > 0.65
    # Calibrated on the whole: the mean probability is near the share of frauds.
    assert by_mapping[:, 1].mean() == pytest.approx(DATA.labels.mean(), abs=0.03)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same_model(algorithm: str) -> None:
    first, second = (
        build(algorithm, FEATURES, CATEGORICAL, seed=7)
        .fit(COLUMNS, DATA.labels)
        .predict_proba(NEW_COLUMNS)
        for _ in range(2)
    )
    assert first.tobytes() == second.tobytes()


def test_cross_validation_takes_the_frame() -> None:
    scores = cross_val_score(
        build("gradient_boosting", FEATURES, CATEGORICAL),
        claim_frame(AUTO, DATA.claims, FEATURES),
        DATA.labels,
        cv=3,
        scoring="roc_auc",
    )
    assert scores.mean() > 0.65


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_unknown_and_missing_everything_still_scores(algorithm: str) -> None:
    fitted = build(algorithm, FEATURES, CATEGORICAL).fit(COLUMNS, DATA.labels)
    nothing = {name: [None, "never seen" if name == "fault" else None] for name in FEATURES}
    probabilities = fitted.predict_proba(nothing)[:, 1]
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.isfinite(probabilities).all()


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(
        ValueError, match="unknown algorithm 'svm'; choose from logistic_regression"
    ):
        build("svm", FEATURES, CATEGORICAL)
