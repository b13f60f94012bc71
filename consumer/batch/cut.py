"""Dead letters that are cut to fit their topic."""

import hashlib
from typing import Final

import msgspec

from consumer.batch.edges import Seal
from consumer.batch.records import Record
from schemas.dead_letter import VALUE_HEADER, DeadLetter, Form
from schemas.decoding.decoder import ClaimDecoder

HEAD_BYTES: Final = 1_000
"""Bytes that a cut dead letter keeps of the value, the key and the headers."""


def cut(record: Record, seal: Seal, decoder: ClaimDecoder) -> Record:
    """A dead letter cut to fit where the whole one does not: the last resort.

    Key and value are cut to `HEAD_BYTES` if they are longer; the sha256 and length of a cut value
    are kept. The record's own headers are omitted if they exceed that in total. So the result is a
    few kilobytes at most. The head of a value is taken from what the seal leaves of it.

    Args:
        record: the dead letter before it is sealed.
        seal: the one for DEAD_LETTER_VALUE.
        decoder: for the contract that the record should have met.
    """
    letter = DeadLetter.from_headers(record.headers or ())
    own = list(record.headers or ())[: -len(letter.headers())]
    less = []
    if len(record.value or b"") > HEAD_BYTES:
        value = record.value or b""
        digest = hashlib.sha256(value).hexdigest()
        letter = msgspec.structs.replace(letter, sha256=digest, length=len(value))
        less.append(f"the first {HEAD_BYTES} of {len(value)} bytes of the value")
    if len(record.key or b"") > HEAD_BYTES:
        less.append(f"the first {HEAD_BYTES} of {len(record.key or b'')} bytes of the key")
    if sum(len(name.encode()) + len(value or b"") for name, value in own) > HEAD_BYTES:
        own = []
        less.append("none of its own headers")
    about = msgspec.structs.replace(
        letter, value=Form.CUT, message=f"{letter.message}; cut to fit the topic: {', '.join(less)}"
    )
    key = record.key and record.key[:HEAD_BYTES]
    left = Record(key, record.value, [*own, *about.headers()])
    return left._replace(value=_head(left, record, seal, decoder))


def _head(left: Record, record: Record, seal: Seal, decoder: ClaimDecoder) -> bytes | None:
    """The beginning of a value; for an encrypted one: its beginning, encrypted."""
    if not record.value:
        return record.value
    sealed = seal(left._replace(value=record.value[:HEAD_BYTES]), decoder)
    if (VALUE_HEADER, Form.ENCRYPTED.value) in (sealed.headers or ()):
        return sealed.value
    whole = seal(record, decoder).value or b""
    return whole[:HEAD_BYTES]
