"""What remains of a refused record, and what does not."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.process import process
from consumer.dead_letters.redaction import MARK, redacted
from consumer.dead_letters.sealing import make_seal
from consumer.settings.settings import Settings
from schemas.claim import Claim, Role, fields_by_role
from schemas.dead_letter import Form, Header
from tests.consumer.fakes import NOW, FakeScorer, letter_of
from tests.consumer.strange import strange_records
from tests.harness.kafka import FakeMessage
from tests.schemas.contracts import decoder, shipped

HIDDEN = (*fields_by_role(Role.PERSONAL), *fields_by_role(Role.PROTECTED))
FIELDS = tuple(field.name for field in msgspec.structs.fields(Claim))
AUTO = decoder("auto")
SECRET = "Wilhelmina-0170-5551234"
REDACTS = Settings(instance_id="i", dead_letter_value=Form.REDACTED)
EVENT: Header = ("content-type", b"application/cloudevents+json; charset=utf-8")


def left(thing: Any, **options: Any) -> Any:
    return json.loads(redacted(json.dumps(thing).encode(), AUTO, **options))


def test_fields_are_kept_or_marked_by_their_role() -> None:
    claim = {
        "claim_id": "c-1", "policy_number": "p-1", "loss_date": "2026-03-01", "fault": "other",
        "claim_amount": 12.5, "police_report_filed": True, "witnesses": None,
        "claimant_name": SECRET, "loss_description": SECRET, "capital_gains": 5, "driver_age": 44,
        "policyholder_sex": "female", "claimant_email": None,
    }  # fmt: skip
    assert left(claim) == claim | dict.fromkeys(
        ("claimant_name", "loss_description", "capital_gains", "driver_age", "policyholder_sex"),
        MARK,
    )


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("value", [SECRET, 41.0, True, [SECRET], {"first": SECRET}])
def test_every_personal_and_protected_field_is_marked(name: str, value: object) -> None:
    assert left({"claim_id": "c", name: value}) == {"claim_id": "c", name: MARK}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("claim_amount", SECRET),
        ("claim_amount", -1),
        ("claim_amount", 10**400),
        ("loss_date", SECRET),
        ("claim_id", [SECRET]),
        ("claim_id", SECRET * 9),
        ("fault", {"name": SECRET}),
        ("police_report_filed", SECRET),
        ("unknown", SECRET),
        ("unknown", 1),
        ("claimId", SECRET),
    ],
)
def test_what_does_not_fit_its_field_or_has_none_is_marked(name: str, value: object) -> None:
    assert left({"deductible": 500, name: value}) == {"deductible": 500, name: MARK}


@pytest.mark.parametrize("name", ["Jane Doe", "jane@example.com", "+49 170 5551234", "", "J\xe4ne"])
def test_a_name_that_is_no_name_of_a_field_is_left_out(name: str) -> None:
    assert left({"claim_id": "c", name: 1}) == {"claim_id": "c"}


def test_of_a_field_that_is_there_twice_nothing_is_left_that_should_not() -> None:
    twice = b'{"fault": {"a": "%s"}, "fault": "shared", "claimant_name": "%s", "claimant_name": 1}'
    found = redacted(twice.replace(b"%s", SECRET.encode()), AUTO)
    assert json.loads(found) == {"fault": "shared", "claimant_name": MARK}


UNPARSEABLE = [
    b"not json " + SECRET.encode(),
    b'{"claimant_name": "' + SECRET.encode(),
    json.dumps([SECRET]).encode(),
    json.dumps(SECRET).encode(),
    json.dumps({"claim_id": "c", "unknown": SECRET * 60_000}).encode(),
    json.dumps({"claimant_name": SECRET}).encode("utf-16"),
]


@pytest.mark.parametrize("value", UNPARSEABLE, ids=lambda value: value[:12].hex())
@pytest.mark.parametrize("structured", [False, True])
def test_of_what_is_no_object_its_digest_and_length_are_left(
    value: bytes, structured: bool
) -> None:
    assert json.loads(redacted(value, AUTO, structured=structured)) == {
        "sha256": hashlib.sha256(value).hexdigest(),
        "bytes": len(value),
    }


def test_bytes_that_are_not_utf_8_spoil_their_own_field_only() -> None:
    value = b'{"claim_id": "c", "fault": "J\xe9n", "claimant_name": "J\xe9n"}'
    assert json.loads(redacted(value, AUTO)) == {
        "claim_id": "c",
        "fault": MARK,
        "claimant_name": MARK,
    }


@pytest.mark.parametrize("contract", ["health", "property"])
def test_of_an_event_that_is_yet_to_be_read_a_digest_is_left(contract: str) -> None:
    """Any text may be in the place of an amount that is read from a text."""
    value = json.dumps(shipped(contract).examples[0], default=str).encode()
    found = json.loads(redacted(value, decoder(contract)))
    assert found == {"sha256": hashlib.sha256(value).hexdigest(), "bytes": len(value)}


def test_of_a_cloud_event_the_claim_inside_is_redacted() -> None:
    event = {
        "specversion": "1.0", "id": "7", "source": "/intake", "type": "claim.reported",
        "time": "2026-03-01T00:00:00Z", "subject": SECRET, "extension": SECRET,
        "data": {"claim_id": "c", "claimant_name": SECRET, "claim_amount": "much"},
    }  # fmt: skip
    marked = {"claim_id": "c", "claimant_name": MARK, "claim_amount": MARK}
    kept = event | {"subject": MARK, "extension": MARK, "data": marked}
    assert left(event, structured=True) == kept
    for data in (SECRET, [SECRET], None, 5):
        assert left(event | {"data": data}, structured=True)["data"] == MARK
    # What is not said to be an event is taken as a claim: of that, none of these is a field.
    assert {*left(event).values()} == {MARK}


junk = st.recursive(
    st.just(SECRET) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("a"), inner, max_size=2),
    max_leaves=5,
)
# Any text is a category, and any text an identifier: those roles say that it is not a secret.
OTHERS = sorted(
    {*FIELDS, "unknown"} - {*fields_by_role(Role.FEATURE), *fields_by_role(Role.IDENTIFIER)}
)


@given(st.dictionaries(st.sampled_from(OTHERS), junk, min_size=1))
def test_no_header_and_no_value_of_a_dead_letter_tells_a_secret(fields: dict[str, Any]) -> None:
    for value, headers in (
        (json.dumps(fields), []),
        (json.dumps({"claim_id": 7, **fields}), []),
        (json.dumps(fields)[:-1], []),
        (json.dumps({"specversion": "1.0", "id": "1", "source": "s", "data": fields}), [EVENT]),
        (json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": fields}),
         [EVENT]),
    ):  # fmt: skip
        message = FakeMessage(value.encode(), headers=headers)
        found = process([message], FakeScorer(), NOW, seal=make_seal(REDACTS)).dead_letters
        for record in found:
            assert SECRET.encode() not in (record.value or b"")
            assert SECRET not in str(record.headers)


def test_bytes_that_are_not_utf_8_are_not_in_the_message() -> None:
    value = b'{"claim_id": "c", "claimant_name": "%s \xe9"}' % SECRET.encode()
    seal = make_seal(REDACTS)
    (record,) = process([FakeMessage(value)], FakeScorer(), NOW, seal=seal).dead_letters
    assert letter_of(record).message.startswith("not UTF-8: ")
    assert "e9" not in letter_of(record).message
    assert SECRET not in str(record.headers)


@pytest.mark.slow
def test_ten_thousand_strange_records_are_redacted() -> None:
    seal = make_seal(REDACTS)
    forms = set()
    for number, (key, value, headers) in enumerate(strange_records()):
        message = FakeMessage(value, number, key=key, headers=headers)
        for record in process([message], FakeScorer(), NOW, seal=seal).dead_letters:
            letter = letter_of(record)
            assert letter.value is (Form.REDACTED if value else Form.ORIGINAL)
            assert isinstance(json.loads(record.value or b"{}"), dict)
            assert record.key == key
            forms.add(letter.value)
    assert forms == {Form.REDACTED, Form.ORIGINAL}
