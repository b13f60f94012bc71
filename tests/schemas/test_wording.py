"""What is wrong with something sent, in the product's words."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError
from schemas.wording import broken_rule
from tests.schemas.contracts import decoder

NAME = "Anna Kowalska"


class Below(Struct):
    """An object in an object."""

    kind: Literal["car", "van"] | None = None


class Sent(Struct, forbid_unknown_fields=True):
    """Something with a field of every kind of rule."""

    id: Annotated[str, Meta(max_length=1)] = ""
    code: Annotated[str, Meta(min_length=2, pattern="^[A-Z]+$")] = "AB"
    count: Annotated[int, Meta(ge=0, le=150)] = 0
    amount: Annotated[float, Meta(gt=0.5, lt=1e6)] = 1
    step: Annotated[float, Meta(multiple_of=5)] = 5
    flag: bool = True
    day: dt.date | None = None
    at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    items: Annotated[list[int], Meta(max_length=1)] = []
    pair: tuple[int, int] = (0, 0)
    reason: Reason | None = None
    below: Below | None = None


class Needed(Struct):
    """Something that is not complete without its field."""

    claim_id: str


RULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "least": ({"count": -1}, "must be at least 0", ".count"),
    "most": ({"count": 151}, "must be at most 150", ".count"),
    "more": ({"amount": 0.5}, "must be more than 0.5", ".amount"),
    "less": ({"amount": 1e7}, "must be less than 1000000", ".amount"),
    "multiple": ({"step": 7}, "must be a multiple of 5", ".step"),
    "number": ({"amount": NAME}, "is not a number, but a text", ".amount"),
    "whole": ({"count": 1.5}, "is not a whole number, but a number", ".count"),
    "text": ({"id": 5}, "is not a text, but a number", ".id"),
    "null": ({"id": None}, "is not a text, but null", ".id"),
    "flag": ({"flag": NAME}, "is not true or false, but a text", ".flag"),
    "object": ({"below": [NAME]}, "is not an object, but an array", ".below"),
    "one character": ({"id": NAME}, "must have at most 1 character", ".id"),
    "characters": ({"code": "A"}, "must have at least 2 characters", ".code"),
    "pattern": ({"code": NAME}, "must match the pattern '^[A-Z]+$'", ".code"),
    "item": ({"items": [1, 2]}, "must have at most 1 item", ".items"),
    "items": ({"pair": [1]}, "must have 2 items", ".pair"),
    "day": ({"day": NAME}, "is not a date such as 2026-03-31", ".day"),
    "time": ({"at": NAME}, "is not a time such as 2026-03-31T12:00:00Z", ".at"),
    "zone": ({"at": "2026-03-31T12:00:00"}, "must be a time with a time zone", ".at"),
    "enum": ({"reason": NAME}, f"is not one of {', '.join(Reason)}", ".reason"),
    "nested": ({"below": {"kind": NAME}}, "is not one of car, van", ".below.kind"),
    "unknown": ({NAME: 1}, "contains an unknown field", ""),
}


@pytest.mark.parametrize(("sent", "words", "path"), RULES.values(), ids=RULES)
def test_a_broken_rule_is_said_in_plain_words(sent: dict[str, Any], words: str, path: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(sent), type=Sent)
    found = broken_rule(caught.value, Sent)
    assert found == (words, path)
    assert NAME not in found[0]


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b"{}", type=Needed)
    assert broken_rule(caught.value) == ("lacks claim_id, which is required", "")


def test_a_number_beyond_all_bounds_is_too_large() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b"9" * 400, type=float)
    assert broken_rule(caught.value) == ("is too large or too small a number", "")


def test_a_message_that_is_not_known_is_not_repeated() -> None:
    """The next release of msgspec may quote what was sent."""
    words, _ = broken_rule(msgspec.ValidationError(f"Wrong: {NAME} - at `$.holder`"))
    assert words == "is not what it should be"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b'{"claim_id": "c", "claim_amount": -1}', "must be at least 0"),
        (b'{"claim_id": "c", "claim_amount": "Anna"}', "is not a number"),
    ],
)
def test_a_claim_is_refused_in_the_same_words(sent: bytes, words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        decoder("auto").decode(sent)
    assert words in str(caught.value)
