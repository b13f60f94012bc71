"""Dates whose day and month are distinguished by looking at their whole column.

``1/25/2015`` and ``25-01-2015`` show which number is the day, ``4/5/2015`` does not. So
each column is read in the order that most of its dates allow; a column in which every date can be
read both ways uses the order of the file's other date columns, and month first if those do not
decide either. A leading year (``2015-01-25``, with or without a time) needs no decision.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from model.datasets.rows import RowError, SourceRow, cell

Order = Literal["month", "day"]
"""Which number comes first."""

_NUMBERS: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})")
_YEAR_FIRST: Final = re.compile(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})([T ][0-9:.]*)?")
_FIRST_OF_ALL: Final[Order] = "month"


class Dates(NamedTuple):
    """The way the dates of a file are read."""

    orders: Mapping[str, Order]
    """By column."""

    def read(self, row: SourceRow, column: str) -> dt.date:
        """A cell as a date.

        Raises:
            RowError: it is not one, or not one in its column's order.
        """
        text = cell(row, column)
        try:
            return _date(text, self.orders[column])
        except ValueError as error:
            order = "month/day/year" if self.orders[column] == "month" else "day/month/year"
            raise RowError(
                f"column {column}: {text!r} is not a date (the column is read as {order})"
            ) from error


def dates_of(rows: Sequence[SourceRow], columns: Sequence[str]) -> Dates:
    """Determine how to read the date columns of these rows."""
    leanings = {column: _leaning(row[column] for row in rows) for column in columns}
    decided = [order for order in map(_order, leanings.values()) if order is not None]
    fallback = decided[0] if len(set(decided)) == 1 else _FIRST_OF_ALL
    return Dates({column: _order(leaning) or fallback for column, leaning in leanings.items()})


def _leaning(texts: Iterable[str | None]) -> int:
    """The number of dates that can only be month first minus those that can only be day first."""
    leaning = 0
    for text in texts:
        month, day = (_readable(text, order) for order in ("month", "day"))
        leaning += month - day
    return leaning


def _order(leaning: int) -> Order | None:
    if leaning == 0:
        return None
    return "month" if leaning > 0 else "day"


def _readable(text: str | None, order: Order) -> bool:
    try:
        _date((text or "").strip(), order)
    except ValueError:
        return False
    return True


def _date(text: str, order: Order) -> dt.date:
    if found := _YEAR_FIRST.fullmatch(text):
        return dt.date(int(found[1]), int(found[3]), int(found[4]))
    found = _NUMBERS.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    return dt.date(year, first, second) if order == "month" else dt.date(year, second, first)
