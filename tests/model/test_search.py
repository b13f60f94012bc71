import datetime as dt

import numpy as np
import pytest

from model.datasets.dataset import load
from model.families.estimators import ALGORITHMS, build
from model.studies.search import Candidate, before, candidates, validate

MADE = load("synthetic", "synthetic", rows=6_000)


@pytest.mark.parametrize("candidate", candidates(), ids=lambda c: f"{c.algorithm} {c}")
def test_every_candidate_can_be_built(candidate: Candidate) -> None:
    classifier = build(candidate.algorithm, ["fault"], ["fault"])["classify"]
    classifier.set_params(**candidate.parameters)
    changed = classifier.get_params()
    assert all(changed[name] == value for name, value in candidate.parameters.items())


def test_the_defaults_of_each_family_are_a_candidate() -> None:
    plain = [c.algorithm for c in candidates() if not c.parameters and not c.extra]
    assert sorted(plain) == sorted(ALGORITHMS)


def test_nothing_from_the_test_year_on_is_used() -> None:
    day = dt.date(2023, 7, 1)
    earlier = before(MADE, day)
    assert 0 < len(earlier.claims) < len(MADE.claims)
    assert all(c.loss_date is not None and c.loss_date < day for c in earlier.claims)
    kept = {c.claim_id for c in earlier.claims}
    wanted = [
        label for c, label in zip(MADE.claims, MADE.labels, strict=True) if c.claim_id in kept
    ]
    np.testing.assert_array_equal(earlier.labels, wanted)


@pytest.mark.slow
def test_validation_is_repeatable_and_tells_candidates_apart() -> None:
    default = Candidate("gradient_boosting", {})
    poor = Candidate("gradient_boosting", {"boosting__max_iter": 1})
    assert validate(MADE, default, windows=2) == validate(MADE, default, windows=2)
    assert validate(MADE, default, windows=2)["brier"] < validate(MADE, poor, windows=2)["brier"]


def test_candidates_say_what_is_changed() -> None:
    assert str(Candidate("random_forest", {})) == "default"
    assert str(Candidate("random_forest", {"forest__max_leaf_nodes": 16})) == "max_leaf_nodes=16"
    assert str(Candidate("random_forest", {}, ("loss_weekday",))) == "with loss_weekday"
