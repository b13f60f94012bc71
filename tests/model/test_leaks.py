import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from model.arrays import Labels
from model.datasets.dataset import load
from model.datasets.duplicates import groups_of
from model.leaks import check as leaks
from model.leaks import lift
from model.leaks.check import LeakCheck, LeakError, LeakFinding
from model.leaks.lift import FOLDS
from model.training import splits
from schemas.claim import Claim, Role
from tests.model.examples import AUTO
from tests.model.sources import shared

pytestmark = pytest.mark.slow

MADE = load("synthetic", "synthetic", rows=1_500)
LABELS = MADE.labels
EVERY = AUTO.features()
FEATURES = ("report_lag_days", "policy_age_days", "witnesses", "bodily_injuries", "loss_hour")


def check(
    claims: Sequence[Claim], labels: Labels, features: Sequence[str], **named: Any
) -> LeakCheck | None:
    groups = groups_of(claims, "claim_id")
    return leaks.check(AUTO, claims, labels, groups, features, **named)


def found_by(
    claims: Sequence[Claim], labels: Labels, features: Sequence[str]
) -> tuple[LeakFinding, ...]:
    checked = check(claims, labels, features)
    assert checked is not None
    return checked.findings


def changed(field: str, values: list[object]) -> list[Claim]:
    return [
        msgspec.structs.replace(claim, **{field: value})
        for claim, value in zip(MADE.claims, values, strict=True)
    ]


def test_honest_synthetic_claims_raise_no_alarm() -> None:
    assert found_by(MADE.claims, LABELS, FEATURES) == ()


@pytest.mark.slow
def test_a_feature_that_gives_the_label_away_is_named() -> None:
    rng = np.random.default_rng(0)
    told = np.where(rng.random(len(LABELS)) < 0.02, 1 - LABELS, LABELS)
    claims = changed("vehicles_involved", told.tolist())
    with pytest.raises(LeakError, match=r"vehicles_involved alone.*--allow-leak vehicles_involved"):
        check(claims, LABELS, (*FEATURES, "vehicles_involved"))
    with pytest.raises(ValueError, match="--allow-leak typing_error: the model has no such"):
        check(claims, LABELS, FEATURES, allowed=["typing_error"])
    checked = check(claims, LABELS, (*FEATURES, "vehicles_involved"), allowed=["vehicles_involved"])
    assert checked is not None
    (finding,) = checked.findings
    assert finding.roc_auc > 0.95
    assert checked.allowed == ("vehicles_involved",)
    assert checked.warnings() == [f"allowed: {finding.text}"]


def numbered() -> list[Claim]:
    """Policy numbers in three blocks, the middle one of frauds."""
    order = np.random.default_rng(0).permutation(len(LABELS))
    number = np.where(LABELS == 1, 50_000, np.where(order % 2, 10_000, 90_000)) + order
    return changed("policy_number", [str(n) for n in number])


@pytest.mark.slow
def test_an_identifier_that_tells_the_label_stops_training_only_as_a_feature() -> None:
    warned = found_by(numbered(), LABELS, FEATURES)
    assert [(f.column, f.fatal) for f in warned] == [("policy_number", False)]
    with pytest.raises(LeakError, match="policy_number predicts the label alone"):
        check(numbered(), LABELS, (*FEATURES, "policy_number"))


def test_an_identifier_is_not_a_feature_however_little_it_tells() -> None:
    names = AUTO.with_role(Role.IDENTIFIER)
    claims, labels = MADE.claims[:300], LABELS[:300]
    with pytest.raises(LeakError) as refused:
        check(claims, labels, ("witnesses", *names))
    for name in names:
        assert f"{name} identifies a record or a person" in str(refused.value)
        assert f"--allow-leak {name}" in str(refused.value)
    checked = check(claims, labels, ("witnesses", *names), allowed=names)
    assert checked is not None
    lines = [line for line in checked.warnings() if "identifies a record" in line]
    assert [line.split()[:2] for line in lines] == [["allowed:", name] for name in names]


def test_file_order_that_tells_the_label_is_a_warning() -> None:
    order = np.argsort(LABELS, kind="stable")
    found = found_by([MADE.claims[i] for i in order], LABELS[order], FEATURES)
    assert ("file order", False) in [(f.column, f.fatal) for f in found]


MISLEADING = np.array([[5, 0], [1, 4], [3, 2]])
"""Values for each fold and label: between those of the other folds with the other label, or beyond
the last of them, so what is learnt from two folds is wrong in the third."""


@pytest.mark.parametrize("misled", [False, True])
def test_shuffled_labels_that_can_be_told_stop_training(misled: bool) -> None:
    """Also if they are told wrongly, which does not happen by chance either."""
    shuffled = np.random.default_rng(7).permutation(LABELS)
    _, copies = np.unique(groups_of(MADE.claims, "claim_id"), return_inverse=True)
    fold = np.empty(len(LABELS), dtype=int)
    for number, (_, held_out) in enumerate(splits.stratified_folds(shuffled, FOLDS, 7, copies)):
        fold[held_out] = number
    told = MISLEADING[fold, shuffled] if misled else shuffled
    claims = changed("witnesses", told.tolist())
    with pytest.raises(
        LeakError,
        match=rf"ROC AUC {0 if misled else 1}\.000\..*--allow-leak 'permuted labels'$",
    ) as refused:
        check(claims, LABELS, ("witnesses",), seed=7)
    assert "randomly shuffled" in str(refused.value)


@pytest.mark.slow
def test_a_personal_feature_is_asked_what_it_adds() -> None:
    """Hobbies that tell two frauds of three are far from telling the label alone."""
    rng = np.random.default_rng(0)
    chess = (LABELS == 1) & (rng.random(len(LABELS)) < 0.65)
    hobbies = np.where(chess, "chess", rng.choice(["golf", "reading"], len(LABELS)))
    claims = changed("hobbies", hobbies.tolist())
    with pytest.raises(LeakError, match="with the other features"):
        check(claims, LABELS, (*FEATURES, "hobbies"))
    honest = changed("hobbies", rng.choice(["golf", "reading"], len(LABELS)).tolist())
    assert found_by(honest, LABELS, (*FEATURES, "hobbies")) == ()


@pytest.mark.slow
def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    check(MADE.claims, LABELS, FEATURES, on_look=lambda done, total: seen.append((done, total)))
    total = seen[0][1]
    assert total > len(FEATURES)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_too_few_frauds_to_learn_from_are_left_to_the_training_to_refuse() -> None:
    labels = np.zeros(len(LABELS), dtype=np.int8)
    labels[0] = 1
    assert check(MADE.claims, labels, FEATURES) is None
    labels[:2] = 1
    assert isinstance(check(MADE.claims, labels, FEATURES), LeakCheck)


def test_error_of_chance_is_that_of_random_scores() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([1] * 40 + [0] * 160, dtype=np.int8)
    scores = rng.random((2_000, 200)).argsort(axis=1).argsort(axis=1) + 1
    auc = (scores[:, :40].sum(axis=1) - 40 * 41 / 2) / (40 * 160)
    assert lift.chance_error(labels) == pytest.approx(auc.std(), rel=0.05)


def test_of_many_claims_a_sample_is_checked() -> None:
    checked = check(numbered(), LABELS, FEATURES, most=600)
    assert checked is not None
    assert checked.claims == 600
    assert "policy_number" in [f.column for f in checked.findings]


@pytest.mark.slow
def test_policy_number_of_carclaims_fires_and_the_defaults_pass() -> None:
    cars = load(shared("fraud_oracle.csv"), "carclaims")
    rows, _ = splits.cutoff_split(cars.days, dt.date(1996, 1, 1))
    claims, labels = [cars.claims[i] for i in rows], cars.labels[rows]
    warned = {f.column for f in found_by(claims, labels, EVERY)}
    assert {"policy_number", "loss_date", "file order"} <= warned


@pytest.mark.slow
def test_hobbies_of_insurance_claims_fire_and_other_personal_fields_pass() -> None:
    insurance = load(shared("insurance_claims.csv"), "insurance_claims")
    personal = ("occupation", "education", "policyholder_age", "capital_gains")
    assert found_by(insurance.claims, insurance.labels, (*EVERY, *personal)) == ()
    for seed in (1, 2, 3):
        with pytest.raises(LeakError, match=r"--allow-leak hobbies$"):
            check(
                insurance.claims,
                insurance.labels,
                (*EVERY, *personal, "hobbies"),
                seed=seed,
            )
