"""Facts of claims by contract: for auto, what a reader of one claim at a time would say."""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.datasets import synthetic
from model.features.facts import ClaimFacts, claim_columns
from model.samples import dwellings, health
from schemas.claim import Claim, Role, role_of
from schemas.decoding.decoder import ClaimDecoder
from tests.schemas.contracts import decoder, shipped, small

NAMES = sorted({*shipped("auto").fields, *shipped("auto").derived})
CLAIMS = synthetic.generate(500, 3)[0]


def days(later: dt.date | None, earlier: dt.date | None) -> int | None:
    return None if later is None or earlier is None else (later - earlier).days


def vehicle_age(claim: Claim) -> float | None:
    if claim.vehicle_age_years is not None:
        return claim.vehicle_age_years
    if claim.loss_date is None or claim.vehicle_year is None:
        return None
    return max(claim.loss_date.year - claim.vehicle_year, 0)


def first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def weekday(day: dt.date | None) -> int | None:
    return None if day is None else day.weekday()


def weekend(day: dt.date | None) -> bool | None:
    return None if day is None else day.weekday() >= 5


DERIVED: dict[str, Callable[[Claim], float | None]] = {
    "report_lag_days": lambda c: days(c.report_date, c.loss_date),
    "policy_remaining_days": lambda c: days(c.policy_end_date, c.loss_date),
    "policy_age_days": lambda c: first(c.policy_age_days, days(c.loss_date, c.policy_start_date)),
    "policy_age_at_report_days": lambda c: first(
        c.policy_age_at_report_days, days(c.report_date, c.policy_start_date)
    ),
    "vehicle_age_years": vehicle_age,
    "loss_weekday": lambda c: weekday(c.loss_date),
    "loss_weekend": lambda c: weekend(c.loss_date),
    "report_weekday": lambda c: weekday(c.report_date),
    "report_weekend": lambda c: weekend(c.report_date),
}


def plain(claim: Claim, name: str) -> Any:
    """A fact of one claim, by its definition; None is missing."""
    if name in DERIVED:
        return DERIVED[name](claim)
    value = getattr(claim, name)
    if isinstance(value, dt.date):
        return value.toordinal()
    if role_of(name) is Role.IDENTIFIER:
        return float(value) if value and set(value) <= set("0123456789") else None
    return value


def different(found: dict[str, Any], claims: Sequence[Claim]) -> list[str]:
    """Names of the columns that are not what each claim says by itself."""

    def values(column: Any) -> list[Any]:
        return [None if isinstance(v, float) and math.isnan(v) else v for v in list(column)]

    return [name for name in NAMES if values(found[name]) != [plain(c, name) for c in claims]]


def by_contract(claims: list[Claim]) -> dict[str, Any]:
    decoded = [decoder("auto").decode(msgspec.json.encode(claim)) for claim in claims]
    return dict(ClaimFacts(shipped("auto"), decoded).features(NAMES))


def test_columns_of_synthetic_claims_are_what_each_says() -> None:
    assert set(DERIVED) == set(shipped("auto").derived)
    assert different(by_contract(CLAIMS), CLAIMS) == []
    assert different(claim_columns(shipped("auto"), CLAIMS, NAMES), CLAIMS) == []


dates = st.none() | st.dates(dt.date(1, 1, 1), dt.date(2200, 1, 1))
claims = st.builds(
    Claim,
    claim_id=st.sampled_from(["7", "007", "x", "٣"]),
    loss_date=dates,
    report_date=dates,
    policy_start_date=dates,
    policy_end_date=dates,
    policy_age_days=st.none() | st.integers(-100, 100).map(float),
    vehicle_age_years=st.none() | st.integers(0, 20).map(float),
    vehicle_year=st.none() | st.integers(1886, 2100).map(float),
    property_damage=st.none() | st.booleans(),
    fault=st.none() | st.sampled_from(["", "policyholder"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(claims, min_size=1, max_size=4))
def test_columns_of_strange_claims_are_what_each_says(some: list[Claim]) -> None:
    assert different(by_contract(some), some) == []
    assert different(claim_columns(shipped("auto"), some, NAMES), some) == []


def test_a_fact_may_have_the_name_of_a_field_and_be_used_by_others() -> None:
    number = {"type": "number", "x-role": "feature"}
    contract = small(
        {"n": number, "m": number},
        x_derived={"n": "coalesce(n, m)", "twice": "n * 2", "named": "coalesce(claim_no, 'none')"},
    )
    made = ClaimDecoder(contract)
    some = [made.decode(b'{"claim_no": "a", "m": 3}'), made.decode(b'{"claim_no": "b", "n": 1}')]
    facts = ClaimFacts(contract, some)
    found = facts.features(["n", "twice", "named", "claim_no"])
    assert np.asarray(found["n"]).tolist() == [3.0, 1.0]
    assert np.asarray(found["twice"]).tolist() == [6.0, 2.0]
    assert found["named"] == ["a", "b"]
    assert np.isnan(np.asarray(found["claim_no"])).all()
    assert facts.raw("n") == [None, 1.0]


def test_a_fact_that_is_used_before_it_is_derived_is_the_field() -> None:
    number = {"type": "number", "x-role": "feature"}
    contract = small(
        {"n": number}, x_derived={"twice": "n * 2", "n": "coalesce(n, twice, 5)", "more": "n + 1"}
    )
    claim = ClaimDecoder(contract).decode(b'{"claim_no": "a"}')
    found = ClaimFacts(contract, [claim]).features(["twice", "n", "more"])
    values = [np.asarray(column).tolist() for column in found.values()]
    assert values[1:] == [[5.0], [6.0]]
    assert np.isnan(values[0]).all()


def test_unknown_names_are_an_error() -> None:
    with pytest.raises(KeyError, match="neither a field nor a derived fact: shoe_size"):
        claim_columns(shipped("auto"), [], ["claim_amount", "shoe_size"])


@pytest.mark.parametrize(
    ("name", "generate"), [("health", health.generate), ("property", dwellings.generate)]
)
def test_every_feature_of_another_line_varies(name: str, generate: Any) -> None:
    contract = shipped(name)
    some = [decoder(name).decode(msgspec.json.encode(event)) for event in generate(400, 2)]
    columns = ClaimFacts(contract, some).features(contract.features())
    assert len(columns) == len(contract.features()) > 10
    for feature, column in columns.items():
        values = column if isinstance(column, list) else column[~np.isnan(column)].tolist()
        assert len(set(values)) > 1, feature


def test_facts_of_a_property_claim() -> None:
    claim = decoder("property").decode(msgspec.json.encode(shipped("property").examples[0]))
    found = ClaimFacts(shipped("property"), [claim]).features(
        ["notice_lag_days", "days_covered", "share_of_limit", "dwelling_age_years"]
    )
    values = [float(np.asarray(column)[0]) for column in found.values()]
    assert values == [2.0, 1382.0, pytest.approx(12_345 / 350_000), 52.0]
