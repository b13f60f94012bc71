"""Recognises copies of dead letters that a redrive has already sent. Pure."""

import hashlib
from typing import NamedTuple

from consumer.batch.records import Record
from consumer.dead_letters.binding import bytes_of, joined, place_of
from schemas.alert import Source
from schemas.dead_letter import NOT_OF_THE_RECORD, DeadLetter, Form

Fingerprint = bytes
"""Identifies a refused record: all dead letters of the same record have the same one."""


class Copy(NamedTuple):
    """A dead letter of a record that was already sent."""

    place: Source
    """Where the copy is."""
    of: str
    """Place of the refused record."""

    def __str__(self) -> str:
        return f"{place_of(self.place)}, a copy of that of {self.of}"


def fingerprint(letter: DeadLetter, claim: Record) -> Fingerprint:
    """The identity of the record that a dead letter is about.

    The place alone is not enough: a topic that was deleted and recreated has other records at
    the same places, and anyone may have written a plain dead letter. So the value counts as well,
    and for a plain one also key and headers.

    Args:
        letter: the dead letter.
        claim: the record that results from it.
    """
    parts = [place_of(letter).encode(), claim.value]
    if letter.value is not Form.ENCRYPTED:
        own = [header for header in claim.headers or () if header[0] not in NOT_OF_THE_RECORD]
        parts += [claim.key, *(p for name, value in own for p in (name.encode(), bytes_of(value)))]
    return hashlib.blake2b(joined(parts), digest_size=16).digest()
