"""Facts of claims by contract: for auto, the columns that the model has today."""

import datetime as dt
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.features.columns import DERIVED, FIELDS, claim_columns

from model.datasets import synthetic
from model.features.facts import ContractFacts
from model.samples import dwellings, health
from schemas.claim import Claim
from schemas.decoding.decoder import ClaimDecoder
from tests.schemas.contracts import decoder, shipped, small

NAMES = sorted(FIELDS | set(DERIVED))
CLAIMS = synthetic.generate(500, 3)[0]


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return bool(found == expected)
    return bool(np.array_equal(found, expected, equal_nan=True))


def by_contract(claims: list[Claim]) -> dict[str, Any]:
    decoded = [decoder("auto").decode(msgspec.json.encode(claim)) for claim in claims]
    return dict(ContractFacts(shipped("auto"), decoded).features(NAMES))


def test_synthetic_claims_have_the_same_columns() -> None:
    found, expected = by_contract(CLAIMS), claim_columns(CLAIMS, NAMES)
    assert [name for name in NAMES if not same(found[name], expected[name])] == []


days = st.none() | st.dates(dt.date(1, 1, 1), dt.date(2200, 1, 1))
claims = st.builds(
    Claim,
    claim_id=st.sampled_from(["7", "007", "x", "٣"]),
    loss_date=days,
    report_date=days,
    policy_start_date=days,
    policy_end_date=days,
    policy_age_days=st.none() | st.integers(-100, 100).map(float),
    vehicle_age_years=st.none() | st.integers(0, 20).map(float),
    vehicle_year=st.none() | st.integers(1886, 2100).map(float),
    property_damage=st.none() | st.booleans(),
    fault=st.none() | st.sampled_from(["", "policyholder"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(claims, min_size=1, max_size=4))
def test_strange_claims_have_the_same_columns(some: list[Claim]) -> None:
    found, expected = by_contract(some), claim_columns(some, NAMES)
    assert [name for name in NAMES if not same(found[name], expected[name])] == []


def test_a_fact_may_have_the_name_of_a_field_and_be_used_by_others() -> None:
    number = {"type": "number", "x-role": "feature"}
    contract = small(
        {"n": number, "m": number},
        x_derived={"n": "coalesce(n, m)", "twice": "n * 2", "named": "coalesce(claim_no, 'none')"},
    )
    made = ClaimDecoder(contract)
    some = [made.decode(b'{"claim_no": "a", "m": 3}'), made.decode(b'{"claim_no": "b", "n": 1}')]
    facts = ContractFacts(contract, some)
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
    found = ContractFacts(contract, [claim]).features(["twice", "n", "more"])
    values = [np.asarray(column).tolist() for column in found.values()]
    assert values[1:] == [[5.0], [6.0]]
    assert np.isnan(values[0]).all()


def test_unknown_names_are_an_error() -> None:
    with pytest.raises(KeyError, match="neither a field nor a derived fact: shoe_size"):
        ContractFacts(shipped("auto"), []).features(["claim_amount", "shoe_size"])


@pytest.mark.parametrize(
    ("name", "generate"), [("health", health.generate), ("property", dwellings.generate)]
)
def test_every_feature_of_another_line_varies(name: str, generate: Any) -> None:
    contract = shipped(name)
    some = [decoder(name).decode(msgspec.json.encode(event)) for event in generate(400, 2)]
    columns = ContractFacts(contract, some).features(contract.features())
    assert len(columns) == len(contract.features()) > 10
    for feature, column in columns.items():
        values = column if isinstance(column, list) else column[~np.isnan(column)].tolist()
        assert len(set(values)) > 1, feature


def test_facts_of_a_property_claim() -> None:
    claim = decoder("property").decode(msgspec.json.encode(shipped("property").examples[0]))
    found = ContractFacts(shipped("property"), [claim]).features(
        ["notice_lag_days", "days_covered", "share_of_limit", "dwelling_age_years"]
    )
    values = [float(np.asarray(column)[0]) for column in found.values()]
    assert values == [2.0, 1382.0, pytest.approx(12_345 / 350_000), 52.0]
