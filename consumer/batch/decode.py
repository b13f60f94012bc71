"""Turns a record's bytes into a claim, or into the reason why it is not one. Pure."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from schemas.dead_letter import Header, Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError, parse
from schemas.decoding.size import MAX_CLAIM_BYTES, check_size
from schemas.decoding.unknown import UnknownFields

Headers = dict[str, str | bytes | None] | list[Header]

STRUCTURED: Final = b"application/cloudevents+json"


class Envelope(msgspec.Struct, frozen=True):
    """A structured-mode CloudEvent 1.0 (section 3.2 of its Kafka binding); `data` is the claim."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw


_UNREADABLE: Final[list[Header]] = [("\udcff", None)]
"""Marks headers that cannot be read: no name from Kafka looks like this."""

# For a name that is not UTF-8 the client returns a list with holes and also sets an exception.
# Calls from C are checked for that and raise SystemError. A call from Python is not, once the
# interpreter has specialised it: the exception surfaces somewhere later, or a hole is touched.
_asked: Final = operator.methodcaller("headers")

# An enum member is looked up in its class each time it is named.
_IGNORE: Final = UnknownFields.IGNORE
_envelopes: Final = msgspec.json.Decoder(Envelope)


class HasHeaders(Protocol):
    """The header-related part of a consumed record."""

    def headers(self) -> Headers | None: ...  # noqa: D102
    def set_headers(self, headers: list[Header]) -> None: ...  # noqa: D102


def headers_of(message: HasHeaders) -> list[Header]:
    """The record's headers in order, [] when it has none.

    Raises:
        RefusedError: the name of a header is not UTF-8. The Kafka client cannot hand over any
            header of such a record; it fails with a SystemError.
    """
    try:
        headers = _asked(message)
        if not headers:
            return []
    except (SystemError, UnicodeDecodeError) as error:
        if not any(isinstance(cause, UnicodeDecodeError) for cause in _causes(error)):
            raise
        # If asked again, the client returns names that are not objects: touching one crashes.
        message.set_headers(_UNREADABLE)
        headers = _UNREADABLE
    if headers == _UNREADABLE:
        raise RefusedError(Reason.NOT_UTF8, "the name of a header is not UTF-8", "headers")
    return list(headers.items()) if isinstance(headers, dict) else headers


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes; the client wraps it once for each name it cannot read."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


class Decoded(NamedTuple):
    """A claim as it was read."""

    claim: Any
    """Of the type that its contract compiles to."""
    unknown_fields: tuple[str, ...] = ()
    """Names in the event that the contract does not know, unless they are ignored."""


# Calling a NamedTuple runs a Python function; this is its equivalent in C.
_decoded: Final = partial(tuple.__new__, Decoded)


def decode(
    value: bytes | None,
    headers: Iterable[Header],
    decoder: ClaimDecoder,
    unknown: UnknownFields = UnknownFields.FLAG,
) -> Decoded:
    """Read one claim from a record.

    Args:
        value: the claim as JSON, or a structured-mode CloudEvent around it.
        headers: the record's headers; ``content-type`` identifies a CloudEvent.
        decoder: for the contract.
        unknown: what to do with fields that the contract does not know.

    Raises:
        RefusedError: with the reason and the JSON path of the fault.
    """
    root = "$"
    if not value:
        raise RefusedError(Reason.EMPTY, "the record has no value")
    if len(value) > MAX_CLAIM_BYTES:
        check_size(value)
    if headers and is_structured(headers):
        envelope: Envelope = parse(_envelopes, value, "$")
        value, root = bytes(envelope.data), "$.data"
    if unknown is _IGNORE:
        return Decoded(decoder.decode(value, root))
    found = decoder.read(value, root)
    if found[1] and unknown is UnknownFields.REFUSE:
        raise not_known(found[1], root)
    return _decoded(found)


def not_known(names: Sequence[str], root: str = "$") -> RefusedError:
    """The refusal of an event with fields that the contract does not know."""
    more = f" and {len(names) - 1} or more others" if len(names) > 1 else ""
    return RefusedError(
        Reason.INVALID,
        f"the contract does not know this field{more}; UNKNOWN_FIELDS=refuse",
        f"{root}.{names[0]}",
    )


def is_structured(headers: Iterable[Header]) -> bool:
    """True if the record declares itself a structured-mode CloudEvent."""
    for name, value in headers:
        if name.lower() == "content-type" and value is not None:
            media_type = (value.encode() if isinstance(value, str) else value).partition(b";")[0]
            return media_type.strip().lower() == STRUCTURED
    return False
