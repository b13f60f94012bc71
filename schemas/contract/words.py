"""Words of a contract that contradict each other, as they are compared: without case and blanks."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.contract.model import Field
from schemas.reading.declared import Reading
from schemas.reading.value import PLAIN
from schemas.reading.words import PARTS_OF_NUMBERS, alike


class WordFault(NamedTuple):
    """A word with two meanings: where below the field, what is wrong, and the fix."""

    below: str
    what: str
    fix: str = "Decide on one."


def word_faults(field: Field, missing: Sequence[str]) -> Iterator[WordFault]:
    """What contradicts itself in how a field is read.

    Args:
        field: with its reading.
        missing: words that stand for no value in any field.
    """
    reading = field.reading
    if reading is None:
        return
    known: dict[str, tuple[str, object]] = {}
    for place, word, meaning in _meanings(field, reading, missing):
        other, before = known.setdefault(alike(word), (place, meaning))
        if meaning != before:
            yield WordFault(f".x-read.{place}", f"{word!r} has another meaning in {other}")
    yield from _sign_faults(reading)
    if reading.months is not None and len(set(map(alike, reading.months))) < len(reading.months):
        yield WordFault(".x-read.months", "two months have the same name", "Correct one.")


def both(one: Sequence[str], other: Sequence[str]) -> str | None:
    """A word of the first that is also among the second, if there is one."""
    known = set(map(alike, other))
    return next((word for word in one if alike(word) in known), None)


def _meanings(
    field: Field, reading: Reading, missing: Sequence[str]
) -> Iterator[tuple[str, str, object]]:
    """Where a word stands, the word, and what it means; None is no value."""
    yield "missing, where a blank text always is", "", None
    yield from (("x-missing", word, None) for word in missing)
    yield from (("missing", word, None) for word in reading.missing)
    yield from (("table", word, _typed(value)) for word, value in reading.table.items())
    if field.kind == "flag":
        yield from (("true", word, _typed(True)) for word in reading.true or PLAIN.true)
        yield from (("false", word, _typed(False)) for word in reading.false or PLAIN.false)


def _typed(value: object) -> object:
    """A value that differs from equal ones of another type, as 1 and true."""
    return value if value is None else (isinstance(value, bool), value)


def _sign_faults(reading: Reading) -> Iterator[WordFault]:
    for number, sign in enumerate(reading.currency):
        if not sign.strip() or PARTS_OF_NUMBERS & set(sign):
            what = f"{sign!r} is blank or contains a digit, a plus, a minus or a bracket"
            yield WordFault(
                f".x-read.currency[{number}]", what, "Take it out: it would change the number."
            )
