"""The edges of the pure core: reading claims from, and writing records to, external formats."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from consumer.batch.alerts import BatchScorer
from consumer.batch.decode import Decoded, decode
from consumer.batch.recalled import Recalled
from consumer.batch.records import Message, Record
from model.history.features import ClaimHistory
from schemas.alert import Source
from schemas.dead_letter import Header
from schemas.decoding.decoder import ClaimDecoder

Seal = Callable[[Record, ClaimDecoder], Record]
"""Transforms a dead letter's record, which should have been a claim of that contract, before it is
published."""
ReadClaim = Callable[[bytes | None, Iterable[Header], ClaimDecoder], Decoded]
"""Reads one claim from a record's value and headers; see `consumer.batch.decode.decode`."""
Frame = Callable[[Record], Record]
"""Transforms an alert's record before it is published."""
Prepare = Callable[[Sequence[Message]], object]
"""Receives all records of a batch before any of them is read."""


def as_it_is(record: Record, _: Any = None) -> Record:
    """The seal and the frame that change nothing."""
    return record


class Wire(NamedTuple):
    """A worker's functions for reading claims and writing alerts; plain JSON by default."""

    read: ReadClaim = decode
    frame: Frame = as_it_is
    prepare: Prepare | None = None


PLAIN: Final = Wire()


class Remembering(NamedTuple):
    """What is known about a batch of claims, and what will be remembered of it."""

    recalled: Recalled | None
    """None for a model that asks for no history."""
    records: list[Record]
    """For MEMORY_TOPIC, one for each claim."""
    histories: Sequence[ClaimHistory] | None = None
    """Of the claims, if the model or the shadow model asks for them."""


Recall = Callable[
    [Sequence[Any], Sequence[Message], Sequence[Source], BatchScorer, dt.datetime], Remembering
]
"""Recalls what is known about claims, given these, their records and coordinates, the model and the
time of the batch; see `consumer.memory.recall.Memory.recall`."""
