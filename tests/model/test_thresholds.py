"""Thresholds by policy, bands, decisions, percentiles."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.__main__ import main
from model.thresholds import (
    Cost,
    Fixed,
    Levels,
    PerDay,
    Policy,
    Top,
    decide,
    levels,
    top_share,
)
from model.training.budgets import Chosen, over_budget
from schemas.alert import Band, Decision

HUNDRED = np.arange(100) / 100  # 0.00 … 0.99

scores = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=60).map(np.array)


@pytest.mark.parametrize(
    ("policy", "threshold", "words"),
    [
        (Fixed(), 0.5, "fixed"),
        (Fixed(0.7), 0.7, "fixed"),
        (Top(0.05), 0.95, "top 0.05 of claims"),
        (PerDay(2), 0.90, "2 a day"),  # of 20 claims a day: one in ten
        (PerDay(1000), 0.0, "1000 a day"),
        (Cost(missed_fraud=8000, investigation=400), 0.05, "cost 400 against 8000"),
    ],
)
def test_threshold_of_each_policy(policy: Policy, threshold: float, words: str) -> None:
    assert levels(policy, HUNDRED, claims_per_day=20).threshold == threshold
    assert str(policy) == words


def test_the_other_levels() -> None:
    at = levels(Top(0.05), HUNDRED, claims_per_day=20)
    assert at == Levels(threshold=0.95, review=0.90, medium=0.80, high=0.95)
    assert levels(Fixed(1.0), HUNDRED, 20).review == 0.95


@given(scores, st.floats(0.01, 1))
def test_a_budget_is_kept_and_used(reference: np.ndarray, share: float) -> None:
    threshold = top_share(reference, share)
    referred = (reference >= threshold).sum()
    assert referred <= share * len(reference) + 1e-9 or threshold == 1.0
    lower = reference[reference < threshold]
    if len(lower):  # one level further down would be too many
        assert (reference >= lower.max()).sum() > share * len(reference) - 1e-9 - 1


@given(scores, st.floats(0.01, 0.99))
def test_no_lower_threshold_fits_the_budget(reference: np.ndarray, share: float) -> None:
    threshold = top_share(reference, share)
    budget = int(share * len(reference) + 1e-9)
    for level in reference[reference < threshold]:
        assert (reference >= level).sum() > budget


@given(scores, st.sampled_from([Fixed(), Fixed(0.0), Top(0.1), Top(0.9), PerDay(3), Cost(10, 1)]))
def test_levels_are_in_order(reference: np.ndarray, policy: Policy) -> None:
    at = levels(policy, reference, claims_per_day=30)
    assert 0 <= at.review <= at.threshold <= 1
    assert 0 <= at.medium <= at.high <= 1


def test_when_all_score_the_same_a_budget_refers_nobody() -> None:
    assert top_share(np.full(10, 0.3), 0.05) > 0.3


@given(
    st.lists(st.floats(0, 1), min_size=1),
    st.lists(st.floats(0, 1), min_size=4, max_size=4).map(sorted),
)
def test_decisions_follow_from_comparisons(p: list[float], cuts: list[float]) -> None:
    review, threshold = cuts[0], cuts[2]
    medium, high = cuts[1], cuts[3]
    at = Levels(threshold=threshold, review=review, medium=medium, high=high)
    found = decide(np.array(p), at, HUNDRED)
    for value, band, decision, percentile in zip(p, *found, strict=True):
        assert band == (Band.HIGH if value >= high else Band.MEDIUM if value >= medium else "low")
        assert decision == (
            "refer" if value >= threshold else Decision.REVIEW if value >= review else "pass"
        )
        assert percentile == sum(1 for r in HUNDRED if r <= value)


def test_a_percentile_is_at_most_100() -> None:
    """``size * (100 / size)`` is above 100 for 11, 22, 39, 44, 78, 797 and others."""
    at = Levels(threshold=0.5, review=0.4, medium=0.2, high=0.6)
    for size in range(1, 1_001):
        found = decide(np.array([1.0, 0.0]), at, np.linspace(0, 0.9, size)).percentile
        assert found == [100.0, 1_000 // size / 10]


def test_a_higher_score_is_never_advised_less() -> None:
    at = levels(Top(0.05), HUNDRED, 20)
    found = decide(np.linspace(0, 1, 200), at, HUNDRED)
    order = list(Decision)
    for lower, higher in itertools.pairwise(found.decision):
        assert order.index(lower) <= order.index(higher)


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(ValueError, match="never pays"):
        levels(Cost(missed_fraud=100, investigation=100), HUNDRED, 20)
    with pytest.raises(ValueError, match="no reference scores"):
        levels(Fixed(), np.empty(0), 20)


TIED = np.array([0.2] * 70 + [1.0] * 30)


@pytest.mark.parametrize("policy", [Top(0.05), PerDay(1)])
def test_a_budget_that_no_threshold_keeps_is_reported(policy: Policy) -> None:
    at = levels(policy, TIED, claims_per_day=20)
    assert (at.threshold <= TIED).mean() == 0.3
    said = over_budget(Chosen(at.threshold, policy, TIED, claims_per_day=20))
    assert said is not None
    assert said.startswith("30.0% of the training claims score 1")
    assert f"({policy})" in said


@pytest.mark.parametrize("alerts", [20, 300])
def test_a_budget_that_refers_everybody_is_reported(alerts: float) -> None:
    at = levels(PerDay(alerts), HUNDRED, claims_per_day=20)
    assert (at.threshold <= HUNDRED).all()
    said = over_budget(Chosen(at.threshold, PerDay(alerts), HUNDRED, claims_per_day=20))
    assert said is not None
    assert "not less than the 20 claims a day" in said


@pytest.mark.slow
def test_training_warns_of_a_budget_that_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is known of these claims but what tells the label: every tree is certain."""
    rows = [
        {"claim_id": f"c-{n}", "witnesses": 5 * (n % 4 == 0), "fraud": n % 4 == 0}
        for n in range(400)
    ]
    data = tmp_path / "claims.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["train", "--data", str(data), "--format", "jsonl", "--output", str(tmp_path / "m")]
    chosen = ["--algorithm", "random_forest", "--split", "random", "--allow-leak", "witnesses"]
    assert main([*given, *chosen, "--alert-share", "0.05"]) == 0
    assert "warning: random_forest: 25.0% of the training" in capsys.readouterr().err


@given(scores, st.sampled_from([Top(0.05), Top(0.3), PerDay(3), Fixed(1.0), Cost(10, 1)]))
def test_a_budget_is_kept_or_it_is_reported(reference: np.ndarray, policy: Policy) -> None:
    threshold = levels(policy, reference, claims_per_day=30).threshold
    share = {"Top": getattr(policy, "share", 0), "PerDay": getattr(policy, "alerts", 0) / 30}
    budget = share.get(type(policy).__name__, 1)
    kept = (reference >= threshold).mean() <= budget
    assert kept == (over_budget(Chosen(threshold, policy, reference, 30)) is None)
