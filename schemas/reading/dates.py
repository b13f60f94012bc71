"""Days as people write them: by a form with directives, as numbers of days or seconds, as weeks."""

import calendar
import datetime as dt
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from schemas.reading.words import ReadingError, alike

ENGLISH: Final = tuple(calendar.month_name)[1:]
_UNIX: Final = dt.date(1970, 1, 1)
_EXCEL: Final = dt.date(1899, 12, 30)

NAMED: Final[dict[str, tuple[dt.date, float]]] = {
    "unix_seconds": (_UNIX, 86_400),
    "unix_milliseconds": (_UNIX, 86_400_000),
    "unix_days": (_UNIX, 1),
    "excel_days": (_EXCEL, 1),
}
"""Forms that are numbers: the day that is 0, and how many make a day (in UTC)."""

_DIRECTIVES: Final = {
    "%Y": r"(?P<year>[0-9]{4})",
    "%y": r"(?P<short>[0-9]{2})",
    "%m": r"(?P<month>[0-9]{1,2})",
    "%d": r"(?P<day>[0-9]{1,2})",
    "%b": r"(?P<name>[^\W\d_]+\.?)",
    "%B": r"(?P<name>[^\W\d_]+\.?)",
    "%H": r"(?:[01]?[0-9]|2[0-3])",
    "%I": r"(?:0?[1-9]|1[0-2])",
    "%M": r"[0-5]?[0-9]",
    "%S": r"(?:[0-5]?[0-9]|60)",
    "%f": r"[0-9]{1,9}",
    "%p": r"[AaPp]\.?[Mm]\.?",
    "%z": r"(?:Z|[-+][0-9][0-9]:?[0-9][0-9])",
    "%a": r"[^\W\d_]+\.?",
    "%A": r"[^\W\d_]+\.?",
    "%%": "%",
}
"""Directives of ``strftime`` that are known. A time of day is checked and left out."""
_DIRECTIVE: Final = re.compile(r"%.?|\s+|[^%\s]+")


class FormError(ValueError):
    """A form of dates cannot be used; the message says why."""


def date_reader(forms: Sequence[str], months: Sequence[str] = ENGLISH) -> Callable[[str], dt.date]:
    """A function from a text to its day, by the first form that fits; it raises a ReadingError.

    Raises:
        FormError: a form has an unknown directive, or lacks a day, a month or a year.
    """
    readers = [_numbered(form) if form in NAMED else _written(form, months) for form in forms]
    said = " or ".join(forms)

    def read(text: str) -> dt.date:
        for reader in readers:
            day = reader(text)
            if day is not None:
                return day
        raise ReadingError(f"is not a date as {said}")

    return read


def _numbered(form: str) -> Callable[[str], dt.date | None]:
    start, a_day = NAMED[form]

    def read(text: str) -> dt.date | None:
        try:
            return start + dt.timedelta(days=float(text) // a_day)
        except (ValueError, OverflowError):
            return None

    return read


def _written(form: str, months: Sequence[str]) -> Callable[[str], dt.date | None]:
    pattern = _pattern(form)
    numbers = _month_numbers(months)

    def read(text: str) -> dt.date | None:
        found = pattern.fullmatch(text)
        return None if found is None else _day(found.groupdict(), numbers)

    return read


def _day(parts: dict[str, str], numbers: dict[str, int]) -> dt.date | None:
    year = int(parts["year"]) if "year" in parts else _century(int(parts["short"]))
    month = numbers.get(alike(parts["name"])) if "name" in parts else int(parts["month"])
    try:
        return None if month is None else dt.date(year, month, int(parts["day"]))
    except ValueError:
        return None


def _century(short: int) -> int:
    """The year of two digits as POSIX reads it: 69 to 99 are of the last century."""
    return short + (1900 if short >= 69 else 2000)


def _pattern(form: str) -> "re.Pattern[str]":
    parts: list[str] = []
    for piece in _DIRECTIVE.findall(form):
        if piece.isspace():
            parts.append(r"\s+")
        elif piece.startswith("%"):
            if piece not in _DIRECTIVES:
                raise FormError(f"{piece} is not one of {' '.join(_DIRECTIVES)}")
            parts.append(_DIRECTIVES[piece])
        else:
            parts.append(re.escape(piece))
    try:
        pattern = re.compile("".join(parts), re.IGNORECASE)
    except re.error:
        raise FormError(f"{form} has a part of the date twice") from None
    _check(form, pattern.groupindex.keys())
    return pattern


def _check(form: str, parts: Collection[str]) -> None:
    for wanted, directives in (
        ({"year", "short"}, "%Y"),
        ({"month", "name"}, "%m"),
        ({"day"}, "%d"),
    ):
        if not wanted & set(parts):
            raise FormError(f"{form} has no {directives}, and is not one of {', '.join(NAMED)}")


def _month_numbers(months: Sequence[str]) -> dict[str, int]:
    """Numbers of the months by their names, by their first three letters, and with a dot."""
    found: dict[str, int] = {}
    for number, name in enumerate(months, start=1):
        for text in (name, name[:3], name[:3] + ".", name + "."):
            found.setdefault(alike(text), number)
    return found


class Week(NamedTuple):
    """Words of a day that is known by week of the month and weekday."""

    month: str
    week: str
    weekday: str
    year: str | None


_WEEKDAYS: Final = {alike(name): n for n, name in enumerate(calendar.day_name)}


def day_of_week(said: Week, not_before: dt.date | None, months: Sequence[str] = ENGLISH) -> dt.date:
    """The day that is meant; see `schemas.reading.declared.WeekDate`.

    Raises:
        ReadingError: a part is not what it should be, or there is neither a year nor `not_before`.
    """
    month = _known(said.month, _month_numbers(months), "the name of a month")
    weekday = _known(said.weekday, _WEEKDAYS, "the name of a weekday")
    week = _whole(said.week, 1, 5, "the week of a month, 1 to 5")
    year = _year(said, month, not_before)
    try:
        day = _in_week(year, month, week, weekday)
        while not_before is not None and day < not_before:
            day += dt.timedelta(days=7)
    except (ValueError, OverflowError):
        raise ReadingError("is not a day of the calendar") from None
    return day


def _year(said: Week, month: int, not_before: dt.date | None) -> int:
    if said.year is not None:
        return _whole(said.year, dt.MINYEAR + 1, dt.MAXYEAR - 1, "a year")
    if not_before is None:
        raise ReadingError("needs the day that it does not precede, which is missing")
    return not_before.year + (month < not_before.month)


def _known(text: str, numbers: dict[str, int], wanted: str) -> int:
    if alike(text) not in numbers:
        raise ReadingError(f"is not {wanted}")
    return numbers[alike(text)]


def _whole(text: str, least: int, most: int, wanted: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most or not value.is_integer():
        raise ReadingError(f"is not {wanted}")
    return int(value)


def _in_week(year: int, month: int, week: int, weekday: int) -> dt.date:
    first, last = calendar.monthrange(year, month)
    day = (weekday - first) % 7 + 1 + 7 * (week - 1)
    return dt.date(year, month, day if day <= last else day - 7)
