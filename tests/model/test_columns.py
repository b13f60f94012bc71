"""From claims to columns."""

import datetime as dt
import math

import numpy as np
import pytest

from model.features.facts import ClaimFacts, Column, claim_columns
from schemas.claim import Claim, Role, fields_by_role
from tests.model.examples import AUTO, FEATURES


def one(name: str, claim: Claim) -> float:
    return float(ClaimFacts(AUTO, [claim]).features([name])[name][0])


def test_fields_come_as_the_claims_hold_them() -> None:
    claims = [Claim(claim_id="a", fault="Third Party"), Claim(claim_id="b", witnesses=2)]
    columns: dict[str, Column] = claim_columns(AUTO, claims, ["fault", "witnesses"])
    assert columns == {"fault": ["Third Party", None], "witnesses": [None, 2]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report_lag_days", 45),
        ("policy_age_days", 366),
        ("policy_age_at_report_days", 411),
        ("policy_remaining_days", -1),
        ("vehicle_age_years", 4),
        ("loss_weekday", 5),
        ("loss_weekend", 1),
        ("report_weekday", 1),
        ("report_weekend", 0),
    ],
)
def test_derived_columns(name: str, expected: float) -> None:
    claim = Claim(
        claim_id="a",
        loss_date=dt.date(2021, 1, 2),  # a Saturday
        report_date=dt.date(2021, 2, 16),  # a Tuesday
        policy_start_date=dt.date(2020, 1, 2),  # 2020 had 366 days
        policy_end_date=dt.date(2021, 1, 1),
        vehicle_year=2017,
    )
    assert one(name, claim) == expected


@pytest.mark.parametrize("name", AUTO.derived)
def test_derived_columns_of_an_empty_claim_are_missing(name: str) -> None:
    assert math.isnan(one(name, Claim(claim_id="a")))


def test_the_age_of_a_vehicle_needs_the_day_of_the_loss() -> None:
    assert math.isnan(one("vehicle_age_years", Claim(claim_id="a", vehicle_year=2017)))


@pytest.mark.parametrize("name", ["policy_age_days", "policy_age_at_report_days"])
def test_a_stated_age_goes_before_the_dates(name: str) -> None:
    day = dt.date(2021, 1, 2)
    dates = {"loss_date": day, "report_date": day, "policy_start_date": day}
    assert one(name, Claim(claim_id="a", **dates, **{name: 12.5})) == 12.5  # type: ignore[arg-type]


def test_the_weekday_is_the_calendars() -> None:
    days = [dt.date(2024, 2, 26) + dt.timedelta(days=i) for i in range(10)]
    claims = [Claim(claim_id="a", loss_date=day) for day in days]
    column = claim_columns(AUTO, claims, ["loss_weekday"])["loss_weekday"]
    assert list(column) == [day.weekday() for day in days]


def test_default_features_are_safe() -> None:
    unsafe = {
        n
        for role in (Role.IDENTIFIER, Role.TIME, Role.PROTECTED, Role.PERSONAL)
        for n in fields_by_role(role)
    }
    assert not unsafe & set(FEATURES)
    assert "vehicle_year" not in FEATURES  # it reveals the calendar year
    assert len(set(FEATURES)) == len(FEATURES)
    assert {"report_lag_days", "claim_amount", "fault"} <= set(FEATURES)


def test_no_default_feature_tells_the_date() -> None:
    """The same claim a whole number of weeks later has the same columns."""
    day, later = dt.date(2021, 1, 2), dt.timedelta(weeks=200)

    def at(shift: dt.timedelta) -> Claim:
        return Claim(
            claim_id="a",
            loss_date=day + shift,
            report_date=day + shift + dt.timedelta(days=3),
            policy_start_date=day + shift - dt.timedelta(days=100),
            policy_end_date=day + shift + dt.timedelta(days=100),
            vehicle_age_years=3.0,
        )

    columns = claim_columns(AUTO, [at(dt.timedelta(0)), at(later)], FEATURES)
    for name, (first, second) in columns.items():
        assert first == second or math.isnan(first), name


def test_identifiers_and_dates_asked_for_by_name_are_numbers() -> None:
    claim = Claim(claim_id="x1", policy_number="0042", loss_date=dt.date(1, 1, 3))
    columns = claim_columns(AUTO, [claim], ["policy_number", "claim_id", "loss_date"])
    assert columns["policy_number"][0] == 42
    assert math.isnan(columns["claim_id"][0])
    assert columns["loss_date"][0] == 3
    assert not AUTO.is_category("policy_number")
    assert AUTO.is_category("fault")
    assert not any(map(AUTO.is_category, AUTO.derived))


def test_no_claims_give_empty_columns() -> None:
    columns = claim_columns(AUTO, [], FEATURES)
    assert {len(np.asarray(c)) for c in columns.values()} == {0}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="neither a field nor a derived fact: no_such_field"):
        claim_columns(AUTO, [], ["fault", "no_such_field"])
