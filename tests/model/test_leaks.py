import datetime as dt

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from model import leaks, splits
from model.columns import DEFAULT_FEATURES
from model.datasets import load
from model.leaks import LeakError, check, findings
from schemas.claim import Claim
from tests.model.sources import shared

MADE = load("synthetic", "synthetic", rows=1_500)
LABELS = MADE.labels
FEATURES = ("report_lag_days", "policy_age_days", "witnesses", "bodily_injuries", "loss_hour")


def changed(field: str, values: list[object]) -> list[Claim]:
    return [
        msgspec.structs.replace(claim, **{field: value})
        for claim, value in zip(MADE.claims, values, strict=True)
    ]


def test_honest_synthetic_claims_raise_no_alarm() -> None:
    assert check(MADE.claims, LABELS, FEATURES) == []


def test_a_feature_that_gives_the_label_away_is_named() -> None:
    rng = np.random.default_rng(0)
    told = np.where(rng.random(len(LABELS)) < 0.02, 1 - LABELS, LABELS)
    claims = changed("vehicles_involved", told.tolist())
    with pytest.raises(LeakError, match=r"vehicles_involved alone.*--allow-leak vehicles_involved"):
        check(claims, LABELS, (*FEATURES, "vehicles_involved"))
    (finding,) = check(
        claims, LABELS, (*FEATURES, "vehicles_involved"), allowed=["vehicles_involved"]
    )
    assert finding.roc_auc > 0.95


def numbered() -> list[Claim]:
    """Policy numbers in three blocks, the middle one of frauds."""
    order = np.random.default_rng(0).permutation(len(LABELS))
    number = np.where(LABELS == 1, 50_000, np.where(order % 2, 10_000, 90_000)) + order
    return changed("policy_number", [str(n) for n in number])


def test_an_identifier_that_tells_the_label_stops_training_only_as_a_feature() -> None:
    warned = check(numbered(), LABELS, FEATURES)
    assert [(f.column, f.fatal) for f in warned] == [("policy_number", False)]
    with pytest.raises(LeakError, match="policy_number tells the label alone"):
        check(numbered(), LABELS, (*FEATURES, "policy_number"))


def test_file_order_that_tells_the_label_is_a_warning() -> None:
    order = np.argsort(LABELS, kind="stable")
    found = check([MADE.claims[i] for i in order], LABELS[order], FEATURES)
    assert ("file order", False) in [(f.column, f.fatal) for f in found]


def test_shuffled_labels_that_can_be_told_stop_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def peeking(
        model: object, X: npt.NDArray[np.float64], y: npt.NDArray[np.int8], **_: object
    ) -> npt.NDArray[np.float64]:
        return np.column_stack([1 - y, y]).astype(np.float64)

    monkeypatch.setattr(leaks, "cross_val_predict", peeking)
    found = {f.column: f.fatal for f in findings(MADE.claims, LABELS, FEATURES)}
    assert found["permuted labels"]


def test_error_of_chance_is_that_of_random_scores() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([1] * 40 + [0] * 160, dtype=np.int8)
    scores = rng.random((2_000, 200)).argsort(axis=1).argsort(axis=1) + 1
    auc = (scores[:, :40].sum(axis=1) - 40 * 41 / 2) / (40 * 160)
    assert leaks.chance_error(labels) == pytest.approx(auc.std(), rel=0.05)


def test_of_many_claims_a_sample_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MAX_CLAIMS", 600)
    warned = check(numbered(), LABELS, FEATURES)
    assert "policy_number" in [f.column for f in warned]


@pytest.mark.slow
def test_policy_number_of_carclaims_fires_and_the_defaults_pass() -> None:
    cars = load(shared("fraud_oracle.csv"), "carclaims")
    rows, _ = splits.cutoff_split(cars.claims, dt.date(1996, 1, 1))
    claims, labels = [cars.claims[i] for i in rows], cars.labels[rows]
    warned = {f.column for f in check(claims, labels, DEFAULT_FEATURES)}
    assert {"policy_number", "loss_date", "file order"} <= warned
    with pytest.raises(LeakError, match="--allow-leak policy_number"):
        check(claims, labels, (*DEFAULT_FEATURES, "policy_number"))
