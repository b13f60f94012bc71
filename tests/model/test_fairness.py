"""Groups of the protected fields, with fairlearn's MetricFrame as the oracle."""

import warnings

import numpy as np
import pytest
from fairlearn.metrics import (  # type: ignore[attr-defined]
    MetricFrame,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import precision_score

from model.datasets.dataset import Dataset
from model.evaluation.fairness import ProtectedGroup, gap, group_of, groups
from model.thresholds import top_share
from schemas.claim import Claim
from tests.model.examples import AUTO, dataset

DATA = dataset()
RNG = np.random.default_rng(6)
P = np.clip(0.2 + 0.3 * DATA.labels + RNG.normal(0, 0.2, len(DATA.labels)), 0, 1)


@pytest.mark.parametrize("cut", ["threshold", "top"])
def test_groups_are_what_fairlearn_says(cut: str) -> None:
    threshold = 0.4 if cut == "threshold" else top_share(P, 0.10)
    sexes = [(c.policyholder_sex or "unknown").lower() for c in DATA.claims]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = MetricFrame(
            metrics={
                "rate": selection_rate,
                "recall": true_positive_rate,
                "false": false_positive_rate,
                "precision": lambda y, r: precision_score(y, r, zero_division=0),
            },
            y_true=DATA.labels,
            y_pred=(threshold <= P).astype(int),
            sensitive_features=sexes,
        ).by_group
    rows = groups(DATA, P, 0.4)
    assert [row.group for row in rows] == ["f", "m", "unknown"]
    for row in rows:
        expected = frame.loc[row.group]
        if cut == "threshold":
            assert row.referral_rate == pytest.approx(expected["rate"])
            assert row.recall == pytest.approx(expected["recall"])
            assert row.false_positive_rate == pytest.approx(expected["false"])
            assert row.precision == pytest.approx(expected["precision"])
        else:
            assert row.top_rate == pytest.approx(expected["rate"])
            assert row.top_recall == pytest.approx(expected["recall"])
            assert row.top_false_positive_rate == pytest.approx(expected["false"])
        assert row.n == sexes.count(row.group)


@pytest.mark.parametrize(
    ("field", "value", "group"),
    [
        ("driver_age", 16, "0-24"),
        ("driver_age", 25, "25-34"),
        ("driver_age", 64.9, "50-64"),
        ("policyholder_age", 90, "65+"),
        ("policyholder_age", None, "unknown"),
        ("policyholder_sex", " Female", "female"),
        ("policyholder_sex", "", "unknown"),
    ],
)
def test_names_of_groups(field: str, value: object, group: str) -> None:
    assert group_of(AUTO.fields[field], value) == group


def test_fields_that_are_always_missing_have_no_groups() -> None:
    claims = [Claim(claim_id="a"), Claim(claim_id="b")]
    made = Dataset(AUTO, claims, np.array([0, 1], dtype=np.int8))
    assert groups(made, np.array([0.1, 0.2]), 0.5) == ()


def row(field: str, group: str, frauds: int, recall: float | None) -> ProtectedGroup:
    return ProtectedGroup(
        field=field,
        group=group,
        n=1000,
        frauds=frauds,
        mean_score=0.1,
        referral_rate=0.1,
        recall=recall,
        false_positive_rate=0.1,
        precision=0.1,
        top_rate=0.1,
        top_recall=recall,
        top_false_positive_rate=0.1,
    )


def test_the_gap_leaves_out_groups_too_small_to_compare() -> None:
    rows = [
        row("policyholder_sex", "female", 40, 0.5),
        row("policyholder_sex", "male", 90, 0.3),
        row("policyholder_sex", "other", 3, 1.0),
        row("policyholder_sex", "unknown", 90, 0.9),
        row("marital_status", "single", 50, 0.4),
    ]
    assert gap(rows, lambda g: g.recall) == {"policyholder_sex": pytest.approx(0.2)}
