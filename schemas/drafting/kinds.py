"""The kind of a column, and how its texts are read."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, Final, NamedTuple, TypeVar

from schemas.drafting.codes import is_code, on_a_line
from schemas.drafting.columns import ColumnProfile
from schemas.drafting.currency import SIGNS
from schemas.expressions.nodes import Kind
from schemas.reading.amounts import number_reader
from schemas.reading.dates import date_reader
from schemas.reading.words import ReadingError

T = TypeVar("T")

PAIRS: Final = (
    ("y", "n"), ("yes", "no"), ("true", "false"), ("t", "f"), ("j", "n"), ("ja", "nein"),
    ("oui", "non"), ("si", "no"), ("sí", "no"), ("1", "0"),
)  # fmt: skip
MOSTLY: Final = 0.98
"""Share of the values that must fit a kind; the rest is marked as doubtful."""
DATED: Final = 0.8
"""The same of dates, which senders write in several forms."""
LENGTH_OF_DAY: Final = 10
"""Of such as 2024-01-31."""
CURRENCIES: Final = (*SIGNS, "%")
"""What may stand before or after a number."""
MARKS: Final = (("", "."), (",", "."), (".", ","), (" ", ","), ("'", "."), (" ", "."), ("", ","))
"""Marks of thousands and decimals, the likelier first."""
DAYS: Final = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%d-%b-%y", "%m/%d-%Y",
)  # fmt: skip
CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", "T%H:%M:%S%z", " %H:%M:%S%z",
                 " %I:%M %p", " %H:%M:%S.%f", "T%H:%M:%S.%f", "T%H:%M:%S.%f%z")  # fmt: skip
_SWAPPED: Final = {
    a + clock: b + clock
    for one, two in (("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"))
    for a, b in ((one, two), (two, one))
    for clock in CLOCKS
}
_DATE_LIKE: Final = re.compile(
    r"\d{1,4}[-/. ]\w{1,9}\.?[-/., ]+\d{1,4}.*|[A-Za-z]{3,9}\.? \d.*|\d{8}"
)


class Guess(NamedTuple):
    """A kind, the annotation x-read for it, and what is doubtful about it."""

    kind: Kind
    reading: dict[str, Any]
    doubts: tuple[str, ...] = ()


def guess(column: ColumnProfile) -> Guess:
    """The kind of a column's values."""
    code = Guess("text", as_texts(column)) if is_code(column) else None
    found = _flag(column) or _date(column) or code or _number(column) or _text(column)
    # Of JSON, a value without a reading is none if it is a blank text, and no text is expected.
    blank = [""] if column.is_typed and column.has_blanks and found.kind != "text" else []
    if absent := [*blank, *column.absent]:
        found.reading["missing"] = absent
    if not column.absent:
        return found
    return found._replace(doubts=(*found.doubts, f"taken for no value: {', '.join(column.absent)}"))


def as_texts(column: ColumnProfile) -> dict[str, Any]:
    """How the values are read as texts: numbers among them need a reading, other texts none."""
    return {"case": "keep"} if column.native else {}


def _text(column: ColumnProfile) -> Guess:
    return Guess("text", as_texts(column), tuple(_nearly_numbers(column)))


def _nearly_numbers(column: ColumnProfile) -> Iterator[str]:
    """A doubt if all the values but one or two words are numbers."""
    words = [text for text in column.counts if not _reads(number_reader(), text)]
    if not column.native and 0 < len(words) <= 2 and len(column.counts) > 2 * len(words):
        said = on_a_line(words)
        yield f"a number but for {said}: type number, and x-read with missing, if it has no value"


def _flag(column: ColumnProfile) -> Guess | None:
    if column.native == {"bool"} and not column.is_mixed:
        return Guess("flag", {})
    words = {text.casefold() for text in column.counts}
    for yes, no in PAIRS:
        if words == {yes, no}:
            if (yes, no) == ("true", "false") and not column.is_typed:
                return Guess("flag", {})
            shown = {t.casefold(): t for t in sorted(column.counts, reverse=True)}
            return Guess("flag", {"true": [shown[yes]], "false": [shown[no]]})
    return None


def _number(column: ColumnProfile) -> Guess | None:
    if column.native and not column.is_mixed and column.native <= {"int", "float", "Decimal"}:
        return Guess("number", {})
    if not column.counts or any(_has_leading_zero(text) for text in column.counts):
        return None
    if column.is_typed and all(text.isdigit() for text in column.counts):
        return None  # who could have sent a number and sent its digits as a text means a code
    ends = {end for text in column.sample for end in _ends(text)}
    signs = [sign for sign in CURRENCIES if sign.casefold() in ends]
    tried = column.sample
    fits = [(marks, _share(number_reader(*marks, signs), tried)) for marks in MARKS]
    if max(share for _, share in fits) < MOSTLY:
        return None
    (thousands, decimal), share = _best(fits, lambda marks: number_reader(*marks, signs), column)
    if share < MOSTLY:
        return None
    reading: dict[str, Any] = {}
    if thousands:
        reading["thousands"] = thousands
    if decimal != ".":
        reading["decimal"] = decimal
    if signs:
        reading["currency"] = signs
    if column.is_typed and not reading:
        reading["decimal"] = decimal
    rivals = [marks for marks, other in fits if other == 1 and marks != (thousands, decimal)]
    return Guess("number", reading, (*_unread(share), *_ambiguous(column, rivals)))


def _best(
    fits: Sequence[tuple[T, float]],
    reader: Callable[[T], Callable[[str], object]],
    column: ColumnProfile,
) -> tuple[T, float]:
    """The form that fits most of all values; forms that fit the sample best are tried first."""
    found: list[tuple[T, float]] = []
    for form, _ in sorted(fits, key=lambda fit: -fit[1]):
        found.append((form, _fitting(reader(form), column)))
        if found[-1][1] == 1:
            break
    return max(found, key=lambda fit: fit[1])


def _ambiguous(column: ColumnProfile, rivals: Sequence[tuple[str, str]]) -> list[str]:
    """A doubt if every mark in the column is followed by just three digits."""
    marked = [text for text in column.counts if re.search(r"\d[.,]\d", text)]
    three = all(re.search(r"\d[.,]\d{3}(?!\d)", text) for text in marked)
    if marked and three and rivals:
        return [f"{marked[0]} may be thousands or a fraction"]
    return []


def _has_leading_zero(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and text[1].isdigit()


def _ends(text: str) -> Iterator[str]:
    """What a number begins and ends with, at most as long as a sign."""
    bare = text.strip("-() ").casefold()
    for length in range(1, 4):
        yield bare[:length]
        yield bare[-length:]


def _date(column: ColumnProfile) -> Guess | None:
    if column.native and column.native <= {"date", "datetime", "Timestamp"}:
        return Guess("date", {}, tuple(_unread(_in_range(column))))
    tried = column.sample
    if not tried or column.native or not any(map(_DATE_LIKE.fullmatch, tried[:20])):
        return None
    forms = [
        form
        for form in map("".join, product(DAYS, CLOCKS))
        if _share(date_reader([form]), tried) >= DATED
    ]
    if not forms:
        return None
    fits = [(form, _share(date_reader([form]), tried)) for form in forms]
    form, share = _best(fits, lambda form: date_reader([form]), column)
    if share < DATED:
        return None
    doubts = list(_unread(share))
    other = _SWAPPED.get(form)
    if other in forms and _fitting(date_reader([other]), column) == share:
        doubts.append("day and month may be the other way round")
    plain = form == "%Y-%m-%d" and (not column.is_typed or _are_exact(column))
    return Guess("date", {} if plain else {"date": form}, tuple(doubts))


def _are_exact(column: ColumnProfile) -> bool:
    """True of days with all their digits and no blanks around them, as JSON Schema has them."""
    return column.longest == LENGTH_OF_DAY and all(
        len(text) == LENGTH_OF_DAY for text in column.counts
    )


def _in_range(column: ColumnProfile) -> float:
    return 1 - column.out_of_range.total() / len(column.texts)


def _unread(share: float) -> list[str]:
    return [f"{1 - share:.2%} of the values do not read like this"] if share < 1 else []


def _fitting(read: Callable[[str], object], column: ColumnProfile) -> float:
    """Share of the values that can be read."""
    fit = sum(count for text, count in column.counts.items() if _reads(read, text))
    return fit / column.present


def _share(read: Callable[[str], object], texts: Iterable[str]) -> float:
    fits = [_reads(read, text) for text in texts]
    return sum(fits) / len(fits)


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ReadingError:
        return False
    return True
