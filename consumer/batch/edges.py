"""The edges of the pure core: reading claims from, and writing records to, external formats."""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from consumer.batch.decode import Decoded, decode
from consumer.batch.records import Record
from schemas.dead_letter import Header
from schemas.decoding.decoder import ClaimDecoder

Seal = Callable[[Record, ClaimDecoder], Record]
"""Transforms a dead letter's record, of what should be a claim of that contract, before it is
published."""
ReadClaim = Callable[[bytes | None, Iterable[Header], ClaimDecoder], Decoded]
"""Reads one claim from a record's value and headers; see `consumer.batch.decode.decode`."""
Frame = Callable[[Record], Record]
"""Transforms an alert's record before it is published."""


def as_it_is(record: Record, _: Any = None) -> Record:
    """The seal, and the frame, that change nothing."""
    return record


class Wire(NamedTuple):
    """A worker's functions for reading claims and writing alerts; plain JSON by default."""

    read: ReadClaim = decode
    frame: Frame = as_it_is


PLAIN: Final = Wire()
