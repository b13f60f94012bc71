"""Figures that say too little."""

import numpy as np
import pytest

from model.arrays import Scores
from model.metrics import auc_interval
from model.thresholds import Fixed
from model.training.budgets import Chosen
from model.training.doubts import FEWEST_TESTED, FEWEST_TRAINED, doubts
from tests.model.examples import linear

RNG = np.random.default_rng(3)
LABELS = (RNG.random(400) < 0.2).astype(np.int8)
GOOD = np.clip(0.3 * LABELS + 0.5 * RNG.random(400), 0, 1)
NOISE = RNG.random(400)
HELD_OUT = RNG.random(1_000)


def chosen(threshold: float, held_out: Scores = HELD_OUT) -> Chosen:
    return Chosen(threshold, Fixed(threshold), held_out, 1.0)


def test_a_model_that_can_be_judged_has_no_doubts() -> None:
    assert doubts(FEWEST_TRAINED, LABELS, GOOD, chosen(0.6)) == ()


def test_the_models_of_these_tests_have_none() -> None:
    """Other tests promote them."""
    assert linear().doubts == ()


def test_too_few_frauds() -> None:
    few = np.zeros(400, dtype=np.int8)
    few[np.argsort(-GOOD)[: FEWEST_TESTED - 1]] = 1
    found = doubts(FEWEST_TRAINED - 1, few, GOOD, chosen(0.6))
    assert [text.split(";")[0] for text in found] == [
        "only 49 frauds to learn from",
        "only 14 frauds to test on",
    ]
    few[np.argsort(-GOOD)[FEWEST_TESTED - 1]] = 1
    assert doubts(FEWEST_TRAINED, few, GOOD, chosen(0.6)) == ()


def test_a_ranking_that_may_be_chance() -> None:
    (found,) = doubts(FEWEST_TRAINED, LABELS, NOISE, chosen(0.6))
    assert found.startswith("the ROC AUC on the test claims may be chance: its 95 % interval is 0.")
    # Worse than chance is not better than chance.
    assert len(doubts(FEWEST_TRAINED, LABELS, 1 - GOOD, chosen(0.9))) == 1


@pytest.mark.parametrize(
    ("threshold", "words"),
    [(0.9999, "refers nobody: the highest score is 0."), (0.2, "refers 80% of the claims")],
)
def test_a_threshold_that_selects_nothing(threshold: float, words: str) -> None:
    held_out = np.linspace(0, 0.999, 1_001)
    (found,) = doubts(FEWEST_TRAINED, LABELS, GOOD, chosen(threshold, held_out))
    assert words in found
    assert "--alert-share" in found


def test_one_referral_among_the_training_claims_is_not_nobody() -> None:
    assert doubts(FEWEST_TRAINED, LABELS, GOOD, chosen(0.94, np.array([0.1, 0.2, 0.95]))) == ()


def test_delongs_interval() -> None:
    """The variance by its definition, over every pair."""
    y, p = np.array([1, 1, 1, 0, 0, 0, 0]), np.array([0.9, 0.4, 0.4, 0.1, 0.4, 0.3, 0.8])
    pairs = np.array([[np.sign(f - h) / 2 + 0.5 for h in p[y == 0]] for f in p[y == 1]])
    variance = pairs.mean(axis=1).var(ddof=1) / 3 + pairs.mean(axis=0).var(ddof=1) / 4
    found = auc_interval(y, p)
    assert found is not None
    assert found[0] == pytest.approx(max(0, pairs.mean() - 1.96 * variance**0.5))
    assert found[1] == pytest.approx(min(1, pairs.mean() + 1.96 * variance**0.5))
    assert auc_interval(np.array([1, 0, 0]), p[:3]) is None
