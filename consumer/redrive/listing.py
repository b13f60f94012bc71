"""Dead letters as lines of JSON, for people and programs. Pure.

Anyone may have written what is in the topic, and the lines are read in terminals: texts are cut,
and unprintable characters are escaped.
"""

import json
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from consumer.batch.records import Record
from consumer.dead_letters.redaction import MARK
from consumer.dead_letters.sealing import Opener
from consumer.errors import UnopenedError
from consumer.redrive.plan import Step
from schemas.dead_letter import GONE, DeadLetter
from schemas.printable import escaped
from schemas.unreadable import UNREADABLE

LONGEST_KEY: Final = 128
"""Bytes of a key that are shown."""
LONGEST_TEXT: Final = 300
"""Characters of any other text that are shown."""
SENT: Final = "sent"
KEPT: Final = "kept"
CLOSED: Final = "closed"


_Shape = TypeVar("_Shape")


class _Named(msgspec.Struct):
    """An id that is not a plain value is unknown: a list of many items takes far more memory."""

    claim_id: str | int | float | bool | None = None


class _Event(msgspec.Struct):
    """A CloudEvent in structured mode, with the claim as its data."""

    data: _Named


def listed(step: Step, opener: Opener) -> Iterator[str]:
    """The lines of a step: what is sent or closed, and what cannot be decrypted.

    Args:
        step: what is planned.
        opener: reads what would be closed, where it can.
    """
    taken = zip(step.letters, step.claims or step.originals, strict=True)
    for letter, record in taken:
        readable = record if step.claims else _readable(record, letter, opener)
        yield line(letter, readable, SENT if step.claims else CLOSED)
    for one in step.unopened:
        yield line(one.letter, one.record, KEPT)


def line(letter: DeadLetter, record: Record, then: str) -> str:
    """What is known about a dead letter, with its key and the claim's id, null where unknown.

    Args:
        letter: its headers.
        record: its key, and the refused value as far as it could be read.
        then: what a redrive would do with it.
    """
    key = None if record.key is None else record.key[:LONGEST_KEY].decode(errors="backslashreplace")
    facts: dict[str, object] = {"key": key, "claim_id": claim_id(record), "then": then}
    facts |= msgspec.to_builtins(letter)
    return escaped(
        json.dumps({name: _cut(fact) for name, fact in facts.items()}, ensure_ascii=False)
    )


def claim_id(record: Record) -> str | int | float | bool | None:
    """The id of the refused claim; None if it cannot be read, or is masked."""
    event = _read(record.value, _Event)
    named = _read(record.value, _Named) if event is None else event.data
    return None if named is None or named.claim_id == MARK else named.claim_id


def _read(value: bytes | None, shape: type[_Shape]) -> _Shape | None:
    try:
        return msgspec.json.decode(value or b"", type=shape)
    except UNREADABLE:
        return None


def _cut(fact: object) -> object:
    if not isinstance(fact, str) or len(fact) <= LONGEST_TEXT:
        return fact
    return fact[: LONGEST_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _readable(record: Record, letter: DeadLetter, opener: Opener) -> Record:
    """The record with the refused value; unchanged if that is gone or cannot be decrypted."""
    if letter.value in GONE:
        return record
    try:
        return record._replace(value=opener(record, letter))
    except UnopenedError:
        return record
