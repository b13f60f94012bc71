"""Dead letters that are cut to fit their topic."""

import hashlib
from typing import Final

import msgspec

from consumer.batch.edges import Seal
from consumer.batch.records import Record
from schemas.dead_letter import VALUE_HEADER, DeadLetter, Form

HEAD_BYTES: Final = 1_000
"""What a dead letter that is cut keeps of the value, of the key and of the headers."""


def cut(record: Record, seal: Seal) -> Record:
    """A dead letter that fits where it does not as a whole: the last resort.

    What is longer than `HEAD_BYTES` is cut to that: the key, and the value, of which sha256 and
    length are kept; the record's own headers are left out if they are longer together. So all of
    it is a few kilobytes at most. The head of a value is what the seal leaves of it.

    Args:
        record: the dead letter before it is sealed.
        seal: of DEAD_LETTER_VALUE.
    """
    letter = DeadLetter.from_headers(record.headers or ())
    own = list(record.headers or ())[: -len(letter.headers())]
    left = []
    if len(record.value or b"") > HEAD_BYTES:
        value = record.value or b""
        digest = hashlib.sha256(value).hexdigest()
        letter = msgspec.structs.replace(letter, sha256=digest, length=len(value))
        left.append(f"the first {HEAD_BYTES} of {len(value)} bytes of the value")
    if len(record.key or b"") > HEAD_BYTES:
        left.append(f"the first {HEAD_BYTES} of {len(record.key or b'')} bytes of the key")
    if sum(len(name.encode()) + len(value or b"") for name, value in own) > HEAD_BYTES:
        own = []
        left.append("none of its own headers")
    about = msgspec.structs.replace(
        letter, value=Form.CUT, message=f"{letter.message}; cut to fit the topic: {', '.join(left)}"
    )
    key = record.key and record.key[:HEAD_BYTES]
    return Record(key, _head(record, seal), [*own, *about.headers()])


def _head(record: Record, seal: Seal) -> bytes | None:
    """The beginning of a value; of one that is encrypted: its beginning, encrypted."""
    if not record.value:
        return record.value
    sealed = seal(Record(record.key, record.value[:HEAD_BYTES], record.headers))
    if (VALUE_HEADER, Form.ENCRYPTED.value) in (sealed.headers or ()):
        return sealed.value
    whole = seal(record).value or b""
    return whole[:HEAD_BYTES]
