"""The rules that ship: each fires on a claim that just meets it, and is silent on the next."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from model.features.facts import ClaimFacts
from model.scoring.rules import SHIPPED, shipped_rules
from schemas.decoding.structs import partial_type
from tests.schemas.contracts import shipped

DAY = dt.date(2025, 5, 10)


def day(offset: int) -> dt.date:
    return DAY + dt.timedelta(days=offset)


Fields = dict[str, Any]
OUTPATIENT: Fields = {"inpatient": False, "stay_nights": 1.0}
RULES: list[tuple[str, str, Fields, Fields]] = [
    ("auto", "reported-late", {"loss_date": DAY, "report_date": day(31)}, {"report_date": day(30)}),
    (
        "auto",
        "loss-soon-after-start",
        {"loss_date": DAY, "policy_start_date": day(-30)},
        {"policy_start_date": day(-31)},
    ),
    (
        "auto",
        "total-loss-without-police",
        {"incident_severity": "Total Loss", "police_report_filed": False},
        {"police_report_filed": None},
    ),
    (
        "auto",
        "claim-near-value",
        {"claim_amount": 9.0, "vehicle_price": 10.0, "incident_severity": "minor damage"},
        {"claim_amount": 8.9},
    ),
    (
        "auto",
        "claim-near-value",
        {"claim_amount": 11.0, "vehicle_price": 10.0, "incident_severity": "minor damage"},
        {"incident_severity": "total loss"},
    ),
    (
        "auto",
        "address-changed-before-loss",
        {"years_since_address_change": 0.2},
        {"years_since_address_change": 0.25},
    ),
    (
        "health",
        "service-before-cover",
        {"service_date": DAY, "member_since": day(1)},
        {"member_since": DAY},
    ),
    (
        "health",
        "service-soon-after-start",
        {"service_date": DAY, "member_since": day(-60), "billed_amount": 1_001.0},
        {"member_since": day(-61)},
    ),
    (
        "health",
        "service-soon-after-start",
        {"service_date": DAY, "member_since": DAY, "billed_amount": 1_001.0},
        {"billed_amount": 1_000.0},
    ),
    (
        "health",
        "submitted-before-service",
        {"service_date": DAY, "submitted_on": day(-1)},
        {"submitted_on": DAY},
    ),
    (
        "health",
        "submitted-late",
        {"service_date": DAY, "submitted_on": day(181)},
        {"submitted_on": day(180)},
    ),
    (
        "health",
        "nights-as-outpatient",
        {"inpatient": False, "stay_nights": 1.0},
        {"stay_nights": 0.0},
    ),
    (
        "health",
        "nights-as-outpatient",
        {"inpatient": False, "stay_nights": 1.0},
        {"inpatient": True},
    ),
    ("health", "many-units", {"units": 13.0}, {"units": 12.0}),
    ("property", "loss-before-cover", {"lost_on": DAY, "cover_from": day(1)}, {"cover_from": DAY}),
    (
        "property",
        "loss-soon-after-start",
        {"lost_on": DAY, "cover_from": day(-30)},
        {"cover_from": day(-31)},
    ),
    (
        "property",
        "limit-raised-before-loss",
        {"lost_on": DAY, "limit_raised_on": day(-30)},
        {"limit_raised_on": day(-31)},
    ),
    (
        "property",
        "limit-raised-before-loss",
        {"lost_on": DAY, "limit_raised_on": DAY},
        {"limit_raised_on": day(1)},
    ),
    (
        "property",
        "notified-before-loss",
        {"lost_on": DAY, "notified_on": day(-1)},
        {"notified_on": DAY},
    ),
    (
        "property",
        "notified-late",
        {"lost_on": DAY, "notified_on": day(31)},
        {"notified_on": day(30)},
    ),
    (
        "property",
        "theft-without-police",
        {"peril": "theft", "authorities_attended": False},
        {"authorities_attended": None},
    ),
    (
        "property",
        "estimate-near-limit",
        {"estimate": 90.0, "dwelling_limit": 100.0},
        {"estimate": 89.0},
    ),
    (
        "property",
        "contents-exceed-estimate",
        {"estimate": 90.0, "contents_estimate": 91.0},
        {"contents_estimate": 90.0},
    ),
]
OLDER = {
    *("loss-before-cover", "loss-after-cover", "loss-before-policy-age", "reported-before-loss"),
    *("vehicle-exceeds-claim", "vehicle-exceeds-price", "theft-without-police"),
}
"""Those of auto that tests/model/test_rules.py tests."""


def hits(contract: str, fields: Fields) -> set[str]:
    found = shipped(contract)
    claim = partial_type(found)(**fields)
    (matched,) = shipped_rules(found).hits(ClaimFacts(found, [claim]))
    return {hit.id for hit in matched}


@pytest.mark.parametrize(("contract", "rule", "fields", "other"), RULES)
def test_a_rule_fires_at_its_bound_and_not_beyond(
    contract: str, rule: str, fields: Fields, other: Fields
) -> None:
    assert rule in hits(contract, fields)
    assert rule not in hits(contract, fields | other)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_rule_that_ships_is_tested_and_none_fires_without_facts(path: Any) -> None:
    contract = path.stem
    rules = msgspec.toml.decode(path.read_bytes())["rule"]
    tested = {rule for name, rule, _, _ in RULES if name == contract}
    assert {rule["id"] for rule in rules} == tested | (OLDER if contract == "auto" else set())
    assert hits(contract, {}) == set()
