"""Headers the client cannot read, and CloudEvents around a claim."""

import json
from typing import Any

import pytest

from consumer.batch.decode import Headers, headers_of
from consumer.batch.decode import decode as decode_by
from schemas.dead_letter import Header, Reason
from schemas.decoding.refusal import RefusedError
from schemas.decoding.unknown import UnknownFields
from tests.consumer.fakes import FakeScorer, decode

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]


class Unreadable:
    """The client raises SystemError, caused by the decoding error, for such a record."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.instead: list[Header] | None = None

    def set_headers(self, headers: list[Header]) -> None:
        self.instead = headers

    def headers(self) -> Headers | None:
        if self.instead is not None:
            return self.instead
        raise SystemError("returned a result with an exception set") from self.error


def test_a_header_name_that_is_no_text_is_refused() -> None:
    message = Unreadable(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))
    for _ in range(3):
        with pytest.raises(RefusedError, match="header") as caught:
            headers_of(message)
        assert caught.value.reason is Reason.NOT_UTF8
        assert caught.value.path == "headers"


def test_another_fault_of_the_client_is_not_swallowed() -> None:
    with pytest.raises(SystemError):
        headers_of(Unreadable(ValueError("something else")))


def event(**changes: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "1",
        "source": "/intake",
        "type": "claim",
        "data": {"claim_id": "c"},
    }
    return json.dumps({**whole, **changes}).encode()


@pytest.mark.parametrize(
    "media_type",
    ["Application/CloudEvents+JSON", b"application/cloudevents+json ;charset=UTF-8"],
)
def test_a_media_type_is_the_same_in_any_case(media_type: str | bytes) -> None:
    assert decode(event(), [("Content-Type", media_type)]).claim_id == "c"


def test_a_media_type_that_only_begins_alike_is_another() -> None:
    with pytest.raises(RefusedError):
        decode(event(), [("content-type", b"application/cloudevents+jsonl")])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (rb'{"claim_id": "\ud83d"}', "half of a surrogate pair"),
        (rb'{"claim_id": "cut \ud83d", "claim_amount": 1}', "half of a surrogate pair"),
        (rb'{"claim_id": "\ude00"}', "half of a surrogate pair"),
        (rb'{"claim_id": "\ud83d', "truncated"),
        (b'{"claim_id": "c', "truncated"),
        (b'{"claim_id": NaN}', "malformed"),
        (b'{"a": ' + b"[" * 100_000, "nested"),
    ],
)
def test_what_is_wrong_with_the_json_is_reported(value: bytes, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        decode(value)


def test_a_structured_event_holds_a_claim() -> None:
    assert decode(event(), STRUCTURED).claim_id == "c"
    assert decode(b'{"claim_id": "c"}', [("content-type", b"application/json")]).claim_id == "c"
    assert decode(b'{"claim_id": "c"}', [("content-type", None)]).claim_id == "c"


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        (event(data={"claim_id": 1}), Reason.INVALID, "$.data.claim_id"),
        (event(data=[]), Reason.INVALID, "$.data"),
        (event(id=5), Reason.INVALID, "$.id"),
        (b'{"claim_id": "c"}', Reason.INVALID, "$"),
        (event()[:-3], Reason.NOT_JSON, "$"),
    ],
)
def test_faults_of_events_are_told_by_path(value: bytes, reason: Reason, path: str) -> None:
    with pytest.raises(RefusedError) as caught:
        decode(value, STRUCTURED)
    assert (caught.value.reason, caught.value.path) == (reason, path)


ODD = b'{"claim_id": "c", "claim_ammount": 5, "colour": "red"}'


def test_unknown_fields_are_named_unless_they_are_ignored() -> None:
    names = ("claim_ammount", "colour")
    flagged = decode_by(ODD, (), FakeScorer.decoder)
    assert (flagged.claim.claim_id, flagged.unknown_fields) == ("c", names)
    in_event = decode_by(event(data=json.loads(ODD)), STRUCTURED, FakeScorer.decoder)
    assert in_event.unknown_fields == names
    ignored = decode_by(ODD, (), FakeScorer.decoder, UnknownFields.IGNORE)
    assert (ignored.claim.claim_id, ignored.unknown_fields) == ("c", ())


@pytest.mark.parametrize(
    ("value", "headers", "path"),
    [
        (ODD, [], "$.claim_ammount"),
        (event(data=json.loads(ODD)), STRUCTURED, "$.data.claim_ammount"),
    ],
    ids=["plain", "event"],
)
def test_unknown_fields_are_refused_by_path(value: bytes, headers: list[Header], path: str) -> None:
    with pytest.raises(RefusedError, match="UNKNOWN_FIELDS=refuse") as caught:
        decode_by(value, headers, FakeScorer.decoder, UnknownFields.REFUSE)
    assert (caught.value.reason, caught.value.path) == (Reason.INVALID, path)
    known = decode_by(b'{"claim_id": "c"}', (), FakeScorer.decoder, UnknownFields.REFUSE)
    assert known.claim.claim_id == "c"


def test_the_first_fault_of_a_value_is_named_before_an_unknown_field() -> None:
    with pytest.raises(RefusedError) as caught:
        decode_by(b'{"x": 1, "claim_id": 5}', (), FakeScorer.decoder, UnknownFields.REFUSE)
    assert caught.value.path == "$.claim_id"
