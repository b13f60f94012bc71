"""DeadLetter v1: a record the scorer refused, and why.

A dead letter's record keeps the key, the value (byte for byte, unless it says otherwise) and the
headers of the record it was; what is known of the refusal is added as headers. Topic, partition,
offset, exception and message use the names Kafka Streams gives them (KIP-1034), so that tools
which know those show them; what KIP-1034 does not name has the prefix ``scorer.errors.``.
"""

import datetime as dt
import enum
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

Header = tuple[str, str | bytes | None]

_STREAMS: Final = "__streams.errors."
_SCORER: Final = "scorer.errors."
ATTEMPT_HEADER: Final = _SCORER + "attempt"
VALUE_HEADER: Final = _SCORER + "value"
REDRIVEN_HEADER: Final = _SCORER + "redriven_from"
"""On what a redrive wrote: topic, partition and offset of the dead letter, and a code that proves
that a redrive wrote it, joined by hyphens."""
CLOSED_HEADER: Final = _SCORER + "closed"
"""On the record of a closed dead letter: when it was closed, ISO 8601."""
CLOSED_BY_HEADER: Final = _SCORER + "closed_by"
CLOSED_WHY_HEADER: Final = _SCORER + "closed_why"
HEADER_OF: Final = {
    "reason": _STREAMS + "exception",
    "message": _STREAMS + "message",
    "topic": _STREAMS + "topic",
    "partition": _STREAMS + "partition",
    "offset": _STREAMS + "offset",
    "path": _SCORER + "path",
    "failed_at": _SCORER + "failed_at",
    "attempt": ATTEMPT_HEADER,
    "value": VALUE_HEADER,
    "sha256": _SCORER + "sha256",
    "length": _SCORER + "bytes",
}
"""Name of the header that holds each field of a `DeadLetter`, as text."""
NOT_OF_THE_RECORD: Final = frozenset(
    {
        *(HEADER_OF[field] for field in ("attempt", "sha256", "length")),
        *(REDRIVEN_HEADER, CLOSED_HEADER, CLOSED_BY_HEADER, CLOSED_WHY_HEADER),
    }
)
"""Headers that a dead letter does not take over from the record: only its own are there."""
OPTIONAL: Final = ("value", "sha256", "length")
"""Fields whose header may be missing; the latter two are only written of a value that is cut."""


class Reason(enum.StrEnum):
    """Why a record was refused."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"


class Form(enum.StrEnum):
    """What a dead letter's record has as its value."""

    ORIGINAL = "original"
    """The refused record's, byte for byte."""
    REDACTED = "redacted"
    """The refused claim without personal and protected values, or only a digest of it."""
    ENCRYPTED = "encrypted"
    """The refused record's, encrypted."""
    CUT = "cut"
    """The beginning of what one of the others would be: the whole does not fit the topic."""
    CLOSED = "closed"
    """Nothing: the record states that a dead letter was closed (`redrive --discard`), and why."""


GONE: Final = frozenset({Form.REDACTED, Form.CUT, Form.CLOSED})
"""Forms that the refused record cannot be had from."""


class DeadLetter(Struct, frozen=True, kw_only=True, gc=False):
    """Why and where a record was refused, version 1."""

    reason: Annotated[Reason, Meta(description="Why the record was refused.")]
    message: Annotated[str, Meta(description="What is wrong, in words.")]
    path: Annotated[str, Meta(description="JSON path of the fault; $ is the whole record.")]
    topic: Annotated[str, Meta(description="Topic of the refused record.")]
    partition: Annotated[int, Meta(ge=0, description="Partition of the refused record.")]
    offset: Annotated[int, Meta(ge=0, description="Offset of the refused record.")]
    failed_at: Annotated[dt.datetime, Meta(tz=True, description="When it was refused.")]
    attempt: Annotated[int, Meta(ge=1, description="How often the record was tried.")] = 1
    value: Annotated[
        Form, Meta(description="What the value is; original where the header is missing.")
    ] = Form.ORIGINAL
    sha256: Annotated[
        str, Meta(description="Of a value that is cut: digest of the refused record's, hex.")
    ] = ""
    length: Annotated[
        int, Meta(ge=0, description="Of a value that is cut: length of the refused record's.")
    ] = 0

    def headers(self) -> list[Header]:
        """The headers that are added to the original record's."""
        fields = msgspec.structs.asdict(self) | {"failed_at": self.failed_at.isoformat()}
        left_out = () if self.sha256 else ("sha256", "length")
        return [
            (header, str(fields[field]))
            for field, header in HEADER_OF.items()
            if field not in left_out
        ]

    @classmethod
    def from_headers(cls, headers: Iterable[Header]) -> "DeadLetter":
        """Read a dead letter back from its record's headers.

        Raises:
            KeyError: a header is missing: the record is no dead letter of ours.
            ValueError: a header does not hold what it should.
        """
        # The last of a name counts: a record may have been somebody else's dead letter before.
        found = dict(headers)
        fields = {
            field: _text(found[header])
            for field, header in HEADER_OF.items()
            if header in found or field not in OPTIONAL
        }
        return msgspec.convert(fields, cls, strict=False)


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def without_error_headers(headers: Iterable[Header]) -> list[Header]:
    """The original record's own headers: all but those a dead letter added.

    Names with the prefix ``scorer.errors.`` are this product's. Of the other ones it adds each
    once, at the end, and what the record had under the same name stays: it may come from a Kafka
    Streams application, whose dead letters have headers of these names too.
    """
    added = {*HEADER_OF.values()}
    own: list[Header] = []
    for name, value in reversed(list(headers)):
        if name in added:
            added.remove(name)
        elif not name.startswith(_SCORER):
            own.append((name, value))
    return own[::-1]
