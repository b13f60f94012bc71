"""Columns in which every cell is as simple as most are: read, or found valid, all at once.

What is not as simple is left to the reader of single cells, which gives the same values.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final

from schemas.contract.model import Contract, Field
from schemas.reading.amounts import MAX_DIGITS
from schemas.reading.declared import Reading
from schemas.reading.value import PLAIN

_DIGITS: Final = frozenset("0123456789.-")
"""With no other characters, whatever Python takes for a number means the same to all readers."""

_DAY: Final = frozenset("0123456789-")
_ISO: Final = "%Y-%m-%d"

ReadAll = Callable[[Sequence[Any]], list[Any] | None]
"""Values of all cells; None if some are not simple."""


def is_any_text(field: Field, cells: Sequence[Any]) -> bool:
    """True if the cells are texts that are valid whatever they say, so that reading can wait."""
    said, reading = field.said, field.reading or PLAIN
    if field.kind != "text" or field.required or said.pattern or (said.min_length or 0) > 1:
        return False
    if reading.table or reading.case != "keep" or reading.out_of_range != "refuse":
        return False
    if not isinstance(cells[0], str):
        return False
    try:
        return max(map(len, cells)) <= (said.max_length or 0)
    except TypeError:  # None is among them, in a column of Parquet
        return False


def plain_reader(field: Field, contract: Contract) -> ReadAll | None:
    """A reader of whole columns of a field; None if its texts are not read in a simple way."""
    said, reading = field.said, field.reading or PLAIN
    words = (*contract.missing, *reading.missing)
    if reading.table or reading.missing_when or reading.out_of_range != "refuse" or said.row:
        return None
    if field.kind == "text":
        simple = not words and not said.pattern and (said.min_length or 0) <= 1
        return _texts(said.max_length or 0) if simple and reading.case == "keep" else None
    if any(_DIGITS.issuperset(word.strip()) for word in words):
        return None
    if field.kind == "date":
        return _days if _is_iso(field, reading) else None
    return _numbers(said.minimum, said.maximum) if _is_number(field, reading) else None


def _is_iso(field: Field, reading: Reading) -> bool:
    """True of days that are written year, month, day, and that nothing more is said of."""
    bounds = (field.said.pattern, field.said.min_length, field.said.max_length)
    first = (reading.forms or PLAIN.forms)[0]
    return first == _ISO and not reading.week_date and bounds == (None, None, None)


def _is_number(field: Field, reading: Reading) -> bool:
    """True of numbers that are written with no more than digits, a sign and a point."""
    if field.kind != "number" or field.said.multiple_of is not None or reading.decimal != ".":
        return False
    return not (reading.thousands or reading.currency) and reading.sign == "keep"


def _texts(longest: int) -> ReadAll:
    def read(cells: Sequence[Any]) -> list[Any] | None:
        if not isinstance(cells[0], str) or None in cells:
            return None
        bare: list[Any] = list(map(str.strip, cells))
        if max(map(len, bare)) > longest:
            return None
        return bare if all(bare) else [text or None for text in bare]

    return read


def _numbers(least: float | None, most: float | None) -> ReadAll:
    def read(cells: Sequence[Any]) -> list[Any] | None:
        if not isinstance(cells[0], str) or None in cells:
            return None
        if not _DIGITS.issuperset("".join(cells)) or max(map(len, cells)) > MAX_DIGITS:
            return None
        try:
            values = list(map(float, filter(None, cells)))
        except ValueError:
            return None
        low, high = min(values, default=0.0), max(values, default=0.0)
        if values and ((least is not None and low < least) or (most is not None and high > most)):
            return None
        if len(values) == len(cells):
            return values
        following = iter(values)
        return [next(following) if cell else None for cell in cells]

    return read


def _days(cells: Sequence[Any]) -> list[Any] | None:
    if not isinstance(cells[0], str) or None in cells:
        return None
    if not _DAY.issuperset("".join(cells)) or not set(map(len, cells)) <= {0, len("2026-01-31")}:
        return None
    try:
        return [dt.date.fromisoformat(cell) if cell else None for cell in cells]
    except ValueError:
        return None
