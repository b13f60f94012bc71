"""Records that are not claims, each with the reason and the place it is refused for."""

from typing import Final, NamedTuple

from schemas.dead_letter import Reason
from schemas.decoding.size import MAX_CLAIM_BYTES


class Bad(NamedTuple):
    """A record's value, and what must be said about it."""

    value: bytes | None
    reason: Reason
    path: str = "$"


BAD: Final[dict[str, Bad]] = {
    "tombstone": Bad(None, Reason.EMPTY),
    "empty": Bad(b"", Reason.EMPTY),
    "no JSON": Bad(b"claim_id=17", Reason.NOT_JSON),
    "words": Bad(b"not json", Reason.NOT_JSON),
    "torn": Bad(b'{"claim_id": "torn', Reason.NOT_JSON),
    "torn in a date": Bad(b'{"claim_id": "torn", "loss_date": "1994-0', Reason.NOT_JSON),
    "byte order mark": Bad(b'\xef\xbb\xbf{"claim_id": "c1"}', Reason.NOT_JSON),
    "half a character": Bad(b'{"claim_id": "\\ud800"}', Reason.NOT_JSON),
    "NaN": Bad(b'{"claim_id": "c1", "claim_amount": NaN}', Reason.NOT_JSON),
    "Infinity": Bad(b'{"claim_id": "c1", "claim_amount": Infinity}', Reason.NOT_JSON),
    "two objects": Bad(b'{"claim_id": "c1"} {"claim_id": "c2"}', Reason.NOT_JSON),
    "UTF-16": Bad('{"claim_id": "c1"}'.encode("utf-16"), Reason.NOT_JSON),
    "other encoding": Bad(b'{"claim_id": "M\xfcller"}', Reason.NOT_UTF8),
    "not Unicode": Bad(b'{"claim_id": "\xff\xfe"}', Reason.NOT_UTF8),
    "array": Bad(b"[]", Reason.INVALID),
    "nested arrays": Bad(b"[" * 5_000, Reason.INVALID),
    "null": Bad(b"null", Reason.INVALID),
    "no field": Bad(b"{}", Reason.INVALID),
    "wrong type": Bad(b'{"claim_id": 17}', Reason.INVALID, "$.claim_id"),
    "no name": Bad(b'{"claim_id": ""}', Reason.INVALID, "$.claim_id"),
    "below zero": Bad(b'{"claim_id": "c1", "claim_amount": -5}', Reason.INVALID, "$.claim_amount"),
    "fewer than none": Bad(b'{"claim_id": "c1", "witnesses": -1}', Reason.INVALID, "$.witnesses"),
    "beyond numbers": Bad(
        b'{"claim_id": "c1", "claim_amount": 1e400}', Reason.INVALID, "$.claim_amount"
    ),
    "number as text": Bad(b'{"claim_id": "c1", "witnesses": "2"}', Reason.INVALID, "$.witnesses"),
    "no such day": Bad(
        b'{"claim_id": "c1", "loss_date": "1994-02-31"}', Reason.INVALID, "$.loss_date"
    ),
    "no such hour": Bad(b'{"claim_id": "c1", "loss_hour": 24}', Reason.INVALID, "$.loss_hour"),
    "nested": Bad(b'{"claim_id": "deep", "x": ' + b"[" * 100_000, Reason.TOO_DEEP),
    "nested objects": Bad(b'{"x":' * 100_000, Reason.TOO_DEEP),
    "large": Bad(
        b'{"claim_id": "large", "x": "' + b"x" * MAX_CLAIM_BYTES + b'"}', Reason.TOO_LARGE
    ),
}
"""By kind."""

HEAVY: Final = frozenset({"nested", "nested objects", "large"})
"""Kinds of a hundred kilobytes and more: a hundred of each would only be a hundred megabytes."""
LIGHT: Final = tuple(kind for kind in BAD if kind not in HEAVY)
