import numpy as np
import numpy.typing as npt
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from model.datasets.synthetic import generate
from schemas.claim import Claim

Generated = tuple[list[Claim], npt.NDArray[np.int8]]


@pytest.fixture(scope="module")
def generated() -> Generated:
    return generate(20_000, seed=3)


def test_same_seed_same_claims() -> None:
    (claims, labels), (again, same), (others, _) = (
        generate(300, 1),
        generate(300, 1),
        generate(300, 2),
    )
    assert claims == again
    np.testing.assert_array_equal(labels, same)
    assert claims != others


def test_about_six_percent_fraud(generated: Generated) -> None:
    labels = generated[1]
    assert labels.dtype == np.int8
    assert 0.055 < labels.mean() < 0.068


def test_ids_are_unique_and_losses_in_order(generated: Generated) -> None:
    claims = generated[0]
    assert len({c.claim_id for c in claims}) == len(claims)
    days = [c.loss_date for c in claims if c.loss_date is not None]
    assert len(days) == len(claims)
    assert days == sorted(days)
    assert all(c.report_date >= c.loss_date for c in claims if c.report_date and c.loss_date)


def test_amounts_add_up(generated: Generated) -> None:
    for c in generated[0][:2_000]:
        if None not in (c.vehicle_amount, c.property_amount, c.injury_amount):
            parts = (c.vehicle_amount, c.property_amount, c.injury_amount)
            assert sum(p for p in parts if p is not None) == pytest.approx(c.claim_amount, abs=0.02)


def test_some_facts_are_missing(generated: Generated) -> None:
    missing = np.mean([c.police_report_filed is None for c in generated[0]])
    assert 0.18 < missing < 0.22


def test_some_losses_fall_outside_the_cover(generated: Generated) -> None:
    outside = [
        c.policy_end_date < c.loss_date
        for c in generated[0]
        if c.policy_end_date is not None and c.loss_date is not None
    ]
    assert 0.001 < np.mean(outside) < 0.01


def test_some_honest_claims_look_staged(generated: Generated) -> None:
    honest = [c for c, fraud in zip(*generated, strict=True) if not fraud]
    staged = [
        (c.bodily_injuries or 0) >= 2 and (c.witnesses or 0) >= 2 and (c.loss_hour or 0) >= 20
        for c in honest
    ]
    assert 0.008 < np.mean(staged) < 0.03


def test_fraud_can_be_found_but_not_trivially(generated: Generated) -> None:
    claims, labels = generated
    X = np.array([_facts(c) for c in claims])
    seen = 14_000
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=0)
    scores = model.fit(X[:seen], labels[:seen]).predict_proba(X[seen:])[:, 1]
    assert 0.85 < roc_auc_score(labels[seen:], scores) < 0.93


def _facts(c: Claim) -> list[float]:
    assert c.report_date is not None
    assert c.loss_date is not None
    values = (
        (c.report_date - c.loss_date).days,
        c.policy_age_days,
        c.customer_months,
        c.police_report_filed,
        c.witnesses,
        c.vehicles_involved,
        c.bodily_injuries,
        c.loss_hour,
        c.years_since_address_change,
        c.vehicle_amount,
        c.vehicle_price,
        c.vehicle_age_years,
        c.property_damage,
        ["trivial damage", "minor damage", "major damage", "total loss"].index(
            c.incident_severity or ""
        ),
    )
    return [np.nan if v is None else float(v) for v in values]
