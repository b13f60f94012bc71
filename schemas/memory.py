"""Records of ``claims-memory``, the log of what is remembered: facts, each under a key of its own.

The log is compacted, and nothing in it replaces anything: the key of a record has the coordinates
of the record that it comes from. Null under a key forgets its fact. No name, telephone number or
other text of a claim is in it, besides the claim's id: people and things are keyed hashes.
"""

import datetime as dt
import enum
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from schemas.alert import Source

MAX_ID: Final = 128
"""Characters of a claim's id."""
_Topic = Annotated[str, Meta(max_length=249, pattern=r"^(file:)?[a-zA-Z0-9._-]+\Z")]
"""A name that a topic of Kafka can have, as no record stands in another; or it is of a file."""
_Hash = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Moment = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970 in UTC, up to the year 9999."""


class Naming(NamedTuple):
    """An entity that a claim names."""

    kind: Annotated[str, Meta(min_length=1, max_length=30)]
    hash: _Hash


class RememberedClaim(Struct, frozen=True, gc=False, omit_defaults=True, tag="claim"):
    """That a claim came in."""

    claim_id: Annotated[str, Meta(max_length=MAX_ID)]
    known_at: _Moment
    """When it came in: the timestamp of its record."""
    key: Annotated[str, Meta(max_length=16)]
    """Fingerprint of the key of the hashes."""
    entities: tuple[Naming, ...] = ()
    policy: _Hash | None = None
    """Keyed hash of what it is made under."""
    day: dt.date | None = None
    """Of the loss."""
    amount: float | None = None


class RememberedFinding(Struct, frozen=True, gc=False, tag="finding"):
    """What was found about a claim."""

    claim_id: Annotated[str, Meta(max_length=MAX_ID)]
    known_at: _Moment
    """When the finding arrived; not when the claim came in."""
    fraud: bool


Remembered = RememberedClaim | RememberedFinding


class FactKind(enum.StrEnum):
    """What a fact is about: the first part of its key."""

    CLAIM = "claim"
    FINDING = "finding"


class FactKey(NamedTuple):
    """The key of a fact; as bytes a JSON array of the same parts."""

    kind: FactKind
    claim_id: Annotated[str, Meta(max_length=MAX_ID)]
    topic: _Topic
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """Of the record that the fact comes from."""


_encode: Final = msgspec.json.Encoder().encode
_facts: Final[msgspec.json.Decoder[Remembered]] = msgspec.json.Decoder(Remembered)
_keys: Final = msgspec.json.Decoder(FactKey)


def fact_key(kind: FactKind, claim_id: str, source: Source) -> bytes:
    """The key of a fact about a claim that comes from a record."""
    return _encode((kind, claim_id, source.topic, source.partition, source.offset))


def encoded(fact: Remembered) -> bytes:
    """The value of a record of the log."""
    return _encode(fact)


def read_key(key: bytes | None) -> FactKey:
    """The parts of a key.

    Raises:
        msgspec.MsgspecError: it is none.
        UnicodeDecodeError: it is not UTF-8.
    """
    return _keys.decode(key or b"")


def read_fact(value: bytes) -> Remembered:
    """The fact in a record of the log.

    Raises:
        msgspec.MsgspecError: it is none.
        UnicodeDecodeError: it is not UTF-8.
    """
    found: Any = _facts.decode(value)
    fact: Remembered = found
    return fact
