"""From the text, or other plain value, that a sender wrote to the value of a field."""

import datetime as dt
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from schemas.expressions.nodes import Kind
from schemas.reading.amounts import number_reader
from schemas.reading.dates import ENGLISH, date_reader
from schemas.reading.declared import Reading
from schemas.reading.words import ReadingError, alike, by_likeness, listed

Value = str | float | bool | dt.date | None
ReadValue = Callable[[Any], Value]

REMEMBERED: Final = 4_096
"""Texts per field whose values are remembered: dates, words and amounts come again and again."""
LONGEST_REMEMBERED: Final = 200
"""Characters: a sender must not fill the memory."""

PLAIN: Final = Reading(date="%Y-%m-%d", true=("true",), false=("false",))
"""How the cells of a table are read whose field does not say it."""


def value_reader(kind: Kind, reading: Reading, missing: Sequence[str] = ()) -> ReadValue:
    """A function from what was written to a value of that kind; it raises a ReadingError.

    A text is stripped, looked up among the words for missing and in the table, and then read; any
    other value is kept if it is of the kind. None is missing.

    Args:
        kind: of the field.
        reading: how its texts are written.
        missing: further words for missing.

    Raises:
        FormError: a form of dates cannot be used.
    """
    of_text = _text_reader(kind, reading, missing)
    keep = _OF_VALUE[kind]

    def read(written: Any) -> Value:
        if isinstance(written, str):
            return of_text(written)
        return None if written is None else keep(written, of_text)

    return read


def _text_reader(kind: Kind, reading: Reading, missing: Sequence[str]) -> Callable[[str], Value]:
    absent = {alike(word) for word in (*missing, *reading.missing)}
    # Most texts begin with another letter, which is cheaper to see than what they are like.
    first = {word[0] for word in absent if word}
    table: dict[str, Value] = by_likeness(reading.table)
    known = listed(reading.table)
    plain = _OF_TEXT[kind](reading)

    def of_bare(bare: str) -> Value:
        if not bare or (bare[0].casefold()[0] in first and alike(bare) in absent):
            return None
        if table:
            word = alike(bare)
            if word in table:
                return table[word]
            if reading.otherwise == "refuse":
                raise ReadingError(f"is not one of {known}")
            if reading.otherwise == "missing":
                return None
        return plain(bare)

    # Names and narratives hardly come twice, and cost less to read than to remember.
    if kind == "text" and not table:
        return lambda text: of_bare(text.strip())
    remembered = functools.lru_cache(REMEMBERED)(of_bare)

    def of_text(text: str) -> Value:
        bare = text.strip()
        return remembered(bare) if len(bare) <= LONGEST_REMEMBERED else of_bare(bare)

    return of_text


def _number(reading: Reading) -> Callable[[str], Value]:
    read = number_reader(reading.thousands, reading.decimal, reading.currency)
    if reading.sign == "drop":
        return lambda text: abs(read(text))
    return read


def _flag(reading: Reading) -> Callable[[str], Value]:
    words = dict.fromkeys(map(alike, reading.true or PLAIN.true), True)
    words |= dict.fromkeys(map(alike, reading.false or PLAIN.false), False)
    said = listed(words)

    def read(text: str) -> Value:
        if alike(text) not in words:
            raise ReadingError(f"is not one of {said}")
        return words[alike(text)]

    return read


def _date(reading: Reading) -> Callable[[str], Value]:
    return date_reader(reading.forms or PLAIN.forms, reading.months or ENGLISH)


def _text(reading: Reading) -> Callable[[str], Value]:
    cases: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}
    return cases[reading.case]


_OF_TEXT: Final[dict[Kind, Callable[[Reading], Callable[[str], Value]]]] = {
    "number": _number,
    "flag": _flag,
    "date": _date,
    "text": _text,
}


def as_text(number: float) -> str:
    """A number as people write it: without a fraction if it has none."""
    if isinstance(number, int):  # may be larger than any float
        return str(number)
    return str(int(number)) if number.is_integer() else str(number)


def _kept_number(value: Any, read: Callable[[str], Value]) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReadingError("is not a number")
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else value


def _kept_flag(value: Any, read: Callable[[str], Value]) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value != value else read(as_text(value))  # noqa: PLR0124 - NaN
    raise ReadingError("is not true or false")


def _kept_date(value: Any, read: Callable[[str], Value]) -> Value:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None if value != value else read(as_text(value))  # noqa: PLR0124 - NaN
    raise ReadingError("is not a date")


def _kept_text(value: Any, read: Callable[[str], Value]) -> Value:
    if isinstance(value, bool):
        return read("true" if value else "false")
    if isinstance(value, int | float):
        return None if value != value else read(as_text(value))  # noqa: PLR0124 - NaN
    raise ReadingError("is not a text")


_OF_VALUE: Final[dict[Kind, Callable[[Any, Callable[[str], Value]], Value]]] = {
    "number": _kept_number,
    "flag": _kept_flag,
    "date": _kept_date,
    "text": _kept_text,
}
