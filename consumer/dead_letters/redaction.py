"""A refused record without what is personal or protected in it. Pure.

What remains of a claim are the values that fit a field whose role is neither personal nor
protected. A value that does not fit its field is masked as well: if columns have shifted, a
name may be in the field of an amount. So is every field that the contract does not know. If
the contract says where its fields are and how they are read, only a digest of the event remains:
text that is yet to be parsed may hold anything.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.size import MAX_CLAIM_BYTES
from schemas.unreadable import UNREADABLE

MARK: Final = "[redacted]"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""A field name that is kept; anything else may be a person's name."""

RawFields = dict[str, msgspec.Raw]
Decoders = Mapping[str, msgspec.json.Decoder[Any]]

_fields: Final = msgspec.json.Decoder(RawFields)
_encoder: Final = msgspec.json.Encoder()
_envelope: Final[Decoders] = {
    name: msgspec.json.Decoder(str)
    for name in ("specversion", "id", "source", "type", "time", "datacontenttype", "dataschema")
}
"""Attributes of a CloudEvent (1.0, section 3.1) except `subject`, which may name a person."""


def redacted(value: bytes, decoder: ClaimDecoder, *, structured: bool = False) -> bytes:
    """The record's value with a mark in place of anything personal, protected or unknown.

    Args:
        value: of the refused record.
        decoder: for the contract that it should have met.
        structured: it is a structured-mode CloudEvent, whose `data` is the claim.

    Returns:
        JSON: the remaining fields, or the sha256 and the length of a value that cannot be
        parsed as an object.
    """
    if not decoder.is_plain:
        return digest(value)
    kept = _kept(decoder)
    try:
        found = _parsed(value)
        if structured:
            return _encoder.encode(_left(found, _envelope) | _data(found, kept))
        return _encoder.encode(_left(found, kept))
    except UNREADABLE:
        return digest(value)


def digest(value: bytes) -> bytes:
    """The remainder of a value that cannot be parsed: enough to recognise it."""
    return _encoder.encode({"sha256": hashlib.sha256(value).hexdigest(), "bytes": len(value)})


@lru_cache(maxsize=4)
def _kept(decoder: ClaimDecoder) -> Decoders:
    """Decoders of the fields that are neither personal nor protected."""
    return {
        field.name: msgspec.json.Decoder(field.type)
        for field in msgspec.structs.fields(decoder.type)
        if not decoder.contract.is_withheld(field.name)
    }


def _parsed(value: bytes) -> RawFields:
    if len(value) > MAX_CLAIM_BYTES:
        raise msgspec.DecodeError("too large")
    return _fields.decode(value)


def _data(event: RawFields, kept: Decoders) -> dict[str, object]:
    if "data" not in event:
        return {}
    try:
        return {"data": _left(_fields.decode(event["data"]), kept)}
    except msgspec.ValidationError:
        return {"data": MARK}


def _left(fields: RawFields, kept: Decoders) -> dict[str, msgspec.Raw | str]:
    named = {name: value for name, value in fields.items() if NAME.fullmatch(name)}
    return {name: value if _fits(name, value, kept) else MARK for name, value in named.items()}


def _fits(name: str, value: msgspec.Raw, kept: Decoders) -> bool:
    if name not in kept:
        return bytes(value) == b"null"
    try:
        kept[name].decode(value)
    except UNREADABLE:
        return False
    return True
