"""Events become claims by their contract: where values are, how they are read, what is refused."""

import json
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.avro import claim_avro
from schemas.claim_form import form_of
from schemas.dead_letter import Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.documents import claim_schema, decoded_schema
from tests.harness.examples import many
from tests.schemas.contracts import decoder, outcome, shipped, small

NUMBER = {"type": "number", "minimum": 0, "x-role": "feature"}
TEXT = {"type": "string", "x-role": "feature"}
DAY = {"type": "string", "format": "date", "x-role": "time"}

NESTED = ClaimDecoder(
    small(
        {
            "claim_no": {"type": "string", "x-role": "identifier", "x-from": ["/claim/no", "No"]},
            "lost": {**DAY, "x-from": "/loss/date", "x-read": {"date": "%d/%m/%Y"}},
            "area": {**TEXT, "x-from": "/loss/at/area"},
            "amount": {**NUMBER, "x-from": "Est Amt", "x-read": {"thousands": ","}},
            "age": {**NUMBER, "x-from": "/a~1b/~0c"},
            "only": NUMBER,
        }
    )
)


def event(**members: Any) -> bytes:
    return json.dumps({"No": "1", **members}).encode()


def decoded(value: bytes) -> Any:
    return msgspec.to_builtins(NESTED.decode(value))


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({}, {}),
        ({"loss": None}, {}),
        ({"loss": {}}, {}),
        (
            {"loss": {"date": "31/01/2024", "at": {"area": "x"}}},
            {"lost": "2024-01-31", "area": "x"},
        ),
        ({"loss": {"date": "", "at": None}}, {}),
        ({"Est Amt": "1,234.5"}, {"amount": 1234.5}),
        ({"Est Amt": 1234}, {"amount": 1234.0}),
        ({"a/b": {"~c": 3}}, {"age": 3.0}),
        ({"only": 2}, {"only": 2.0}),
        ({"claim": {"no": "2"}}, {"claim_no": "2"}),
        ({"claim": {"no": " "}, "lost": "x", "area": 3}, {}),
        ({"claim": {"other": 1}}, {}),
    ],
)
def test_events(members: dict[str, Any], fields: dict[str, Any]) -> None:
    expected = {"claim_no": "1", **fields}
    if members.get("claim") == {"no": " "}:
        expected["claim_no"] = " "  # as it is: the field has no reading
    assert decoded(event(**members)) == expected


@pytest.mark.parametrize(
    ("members", "message", "path"),
    [
        ({"loss": 3}, "is not an object, but a number", "$.loss"),
        ({"loss": {"date": 3}}, "is not a text, but a number", "$.loss.date"),
        ({"loss": {"date": "2024-01-31"}}, "is not a date as %d/%m/%Y", "$.loss.date"),
        ({"loss": {"at": {"area": 1}}}, "is not a text, but a number", "$.loss.at.area"),
        (
            {"loss": {"at": {"area": "x" * 201}}},
            "must have at most 200 characters",
            "$.loss.at.area",
        ),
        ({"Est Amt": "some"}, "is not a number with . before", "$.Est Amt"),
        ({"Est Amt": "-1"}, "must be at least 0", "$.Est Amt"),
        ({"Est Amt": -1}, "must be at least 0", "$.Est Amt"),
        ({"only": -1}, "must be at least 0", "$.only"),
        ({"No": None}, "is required, and missing", "$.claim.no"),
    ],
)
def test_refusals(members: dict[str, Any], message: str, path: str) -> None:
    with pytest.raises(RefusedError) as refused:
        NESTED.decode(event(**members))
    assert str(refused.value).startswith(message)
    assert (refused.value.reason, refused.value.path) == (Reason.INVALID, path)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", Reason.NOT_JSON),
        (b'{"No": "\xff"}', Reason.NOT_UTF8),
        (b'{"x": ' + b"[" * 100_000, Reason.TOO_DEEP),
        (b"3", Reason.INVALID),
    ],
)
def test_what_is_no_event(value: bytes, reason: Reason) -> None:
    with pytest.raises(RefusedError) as refused:
        NESTED.decode(value, "$.data")
    assert (refused.value.reason, refused.value.path) == (reason, "$.data")


def test_a_refusal_never_shows_the_value() -> None:
    secret = "Ada Lovelace"
    for name in ("health", "property"):
        with pytest.raises(RefusedError) as refused:
            decoder(name).decode(json.dumps(_with(name, secret)).encode())
        assert secret not in str(refused.value)


def _with(name: str, secret: str) -> dict[str, Any]:
    if name == "health":
        return {"claim": {"number": "1"}, "member": {"birth": secret}}
    return {"ClaimRef": "1", "Insured": {"AgeBand": secret}}


def test_a_required_place_that_is_the_only_one() -> None:
    only = ClaimDecoder(
        small({"claim_no": {"type": "string", "x-role": "identifier", "x-from": "/claim/no"}})
    )
    assert outcome(only.decode, b"{}") == (
        Reason.INVALID,
        "lacks claim, which is required",
        "$",
    )
    assert outcome(only.decode, b'{"claim": {}}') == (
        Reason.INVALID,
        "lacks no, which is required",
        "$.claim",
    )


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(-1e18, 1e18),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.text("x", min_size=198, max_size=203),
)
objects = st.recursive(
    anything,
    lambda below: st.dictionaries(
        st.sampled_from(["claim", "no", "No", "loss", "date", "at", "area", "Est Amt", "only"]),
        below,
        max_size=4,
    ),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=many(600), deadline=None)
@given(objects)
def test_schema_and_decoder_agree(value: Any) -> None:
    """On everything but texts that are read: those the schema lets pass, and the reader judges."""
    accepted = VALIDATOR.is_valid(value)
    found = outcome(NESTED.decode, json.dumps(value).encode())
    if accepted:
        assert isinstance(found, dict) or found[1].startswith(("is not a date", "is not a num"))  # type: ignore[index]
    else:
        assert not isinstance(found, dict)


VALIDATOR = Draft202012Validator(claim_schema(form_of(NESTED)))


@pytest.mark.parametrize("name", ["auto", "health", "property"])
def test_examples_documents_and_claims_agree(name: str) -> None:
    form = form_of(decoder(name))
    sent, seen = claim_schema(form), decoded_schema(form)
    for schema in (sent, seen):
        Draft202012Validator.check_schema(schema)
    for example in shipped(name).examples:
        Draft202012Validator(sent).validate(example)
        claim = decoder(name).decode(msgspec.json.encode(example))
        Draft202012Validator(seen).validate(json.loads(msgspec.json.encode(claim)))


@pytest.mark.parametrize("name", ["auto", "health", "property"])
def test_an_event_in_avro_becomes_the_same_claim(name: str) -> None:
    fastavro.parse_schema(claim_avro(form_of(decoder(name)).sent))
    for example in shipped(name).examples:
        converted = decoder(name).convert(example)
        read = decoder(name).decode(msgspec.json.encode(example))
        assert msgspec.structs.asdict(converted) == msgspec.structs.asdict(read)


def test_avro_is_not_offered_for_names_it_cannot_have() -> None:
    why = form_of(NESTED).without_avro()
    assert why in {
        f"Avro cannot have the name {n}; letters, digits, _ only" for n in ("Est Amt", "a/b")
    }
    assert form_of(decoder("auto")).without_avro() is None


def test_avro_is_not_offered_for_what_no_worker_reads() -> None:
    why = form_of(decoder("property")).without_avro()
    assert why is not None
    assert why.startswith("a worker reads no record inside a claim in Avro, and ")


def test_a_refusal_of_an_event_in_avro_names_the_place() -> None:
    with pytest.raises(RefusedError) as refused:
        NESTED.convert({"No": "1", "loss": {"date": "x"}}, "$")
    assert refused.value.path == "$.loss.date"


@pytest.mark.parametrize("number", [2**53 + 1, 123_456_789_012_345_678_901, -7])
@pytest.mark.parametrize(
    ("name", "event"),
    [("health", lambda n: {"claim": {"number": n}}), ("property", lambda n: {"ClaimRef": n})],
)
def test_a_number_that_names_keeps_its_digits(name: str, event: Any, number: int) -> None:
    claim = decoder(name).decode(msgspec.json.encode(event(number)))
    assert getattr(claim, shipped(name).event.id) == str(number)


def test_a_number_of_more_digits_than_an_id_has_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        decoder("health").decode(b'{"claim": {"number": %s}}' % (b"9" * 6_000))
    assert refused.value.path == "$.claim.number"
