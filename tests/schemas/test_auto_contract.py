"""The contract auto is the claim that was released: same documents, same claims, same refusals."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.scoring.phrases import phrase
from schemas import examples
from schemas.asyncapi import asyncapi
from schemas.avro import claim_avro
from schemas.claim import Claim, Role, fields_by_role
from schemas.claim_form import form_of
from schemas.compatibility import breaking
from schemas.contract.phrases import render
from schemas.decoding.refusal import parse
from schemas.documents import claim_schema
from schemas.export import RELEASED
from schemas.expressions.nodes import Kind
from schemas.openapi import openapi
from tests.harness.examples import many
from tests.schemas.contracts import decoder, outcome, shipped
from tests.schemas.test_agreement import anything

FORM = form_of(decoder("auto"))
_released = msgspec.json.Decoder(Claim)


def decode(value: bytes) -> Claim:
    """A claim by the class that was released."""
    claim: Claim = parse(_released, value, "$")
    return claim


def test_documents() -> None:
    assert claim_schema(FORM) == claim_schema()
    assert claim_avro(FORM.sent) == claim_avro()
    assert openapi(FORM) == openapi()
    assert asyncapi(FORM) == asyncapi()


def test_what_was_released_is_kept() -> None:
    released = json.loads((RELEASED / "claim.json").read_bytes())
    assert breaking(released, claim_schema(FORM), written=True) == []


def test_fields_in_their_order() -> None:
    assert decoder("auto").type.__struct_fields__ == Claim.__struct_fields__
    for role in Role:
        assert shipped("auto").with_role(role) == fields_by_role(role)


def test_claims_are_decoded_at_once() -> None:
    assert decoder("auto").wire is decoder("auto").type


events = st.one_of(
    st.dictionaries(st.sampled_from(Claim.__struct_fields__), anything, max_size=6).map(
        lambda changes: json.dumps(examples.MINIMAL_CLAIM | changes).encode()
    ),
    st.dictionaries(st.sampled_from(Claim.__struct_fields__), anything, max_size=3).map(
        lambda fields: json.dumps(fields).encode()
    ),
    st.tuples(st.sampled_from(examples.CLAIMS), st.integers(0, 900), st.binary(max_size=3)).map(
        lambda parts: _torn(*parts)
    ),
    st.sampled_from(
        [
            b"null",
            b"[]",
            b'{"claim_id":"\xff"}',
            b'{"claim_id":"\\ud83d"}',
            b'{"claim_id": "c", "claim_amount": 1e999}',
            b'{"x":' + b"[" * 100_000,
            b'{"claim_id":"c","claim_id":"d"}',
        ]
    ),
)


def _torn(claim: dict[str, Any], at: int, bytes_: bytes) -> bytes:
    whole = json.dumps(claim).encode()
    return whole[:at] + bytes_ + whole[at + len(bytes_) :]


@pytest.mark.slow
@settings(max_examples=many(1_000), deadline=None)
@given(events)
def test_events_become_the_same_claims_and_the_same_refusals(event: bytes) -> None:
    assert outcome(decoder("auto").decode, event) == outcome(decode, event)


@pytest.mark.parametrize("example", examples.CLAIMS, ids=lambda claim: str(claim["claim_id"]))
def test_claims_are_written_the_same(example: dict[str, Any]) -> None:
    value = json.dumps(example).encode()
    assert msgspec.json.encode(decoder("auto").decode(value)) == msgspec.json.encode(decode(value))


def test_derived_facts_and_features() -> None:
    contract, features = shipped("auto"), shipped("auto").features()
    weekdays = {"loss_weekday", "loss_weekend", "report_weekday", "report_weekend"}
    ages = {"policy_age_days", "policy_age_at_report_days", "vehicle_age_years"}
    assert set(contract.derived) == {"report_lag_days", "policy_remaining_days", *ages, *weekdays}
    every = {*contract.with_role(Role.FEATURE), *contract.derived}
    assert set(features) == every - {"vehicle_year", *weekdays}
    assert len(set(features)) == len(features)


VALUES: dict[Kind, list[Any]] = {
    "number": [0, 1, 3, 2.5, 12_000],
    "flag": [True, False],
    "text": ["urban", "3 to 4"],
}
SIGNED = (
    "report_lag_days",
    "policy_age_days",
    "policy_age_at_report_days",
    "policy_remaining_days",
)


def test_reasons_read_the_same() -> None:
    """As they did when they were written in code, but for amounts, which have two decimals."""
    released = json.loads((Path(__file__).parent / "auto_phrases.json").read_bytes())
    contract = shipped("auto")
    told = [n for n in (*contract.derived, *contract.fields) if contract.phrase(n) is not None]
    assert len(told) > 30
    assert set(told) == released.keys()
    for name in told:
        values = [*VALUES[contract.kind_of(name)], *([-1, -40] if name in SIGNED else [])]
        assert [phrase(contract, name, value) for value in values] == released[name]
        told_by, money = contract.phrase(name) or "", contract.unit(name) == "currency"
        assert [render(told_by, value, money=money) for value in values] == released[name]
