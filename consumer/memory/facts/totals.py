"""Stored daily totals of business-like entities with too many claims to count. Pure.

A series has a row for each day on which it changes: the day, and the sum of all changes up to and
including it. Rows are pairs of 32-bit integers in the machine's byte order.
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from model.history.facts import DAY, OutcomeFact
from model.history.past import steps

ByDay = Mapping[int, int]
"""By day since 1970."""
_ROWS: Final = struct.Struct("ii")
_ROW: Final = _ROWS.size
MANY: Final = 256
"""Number of rows from which it pays to change them all at once."""


Series = bytes
"""What is counted: the last byte of its key.

Rises and falls are separate because claims rise today and fall when they expire, years later: in
one series, each rise would change all later falls.
"""
CLAIMS: Final[Series] = b"\0"
DECIDED: Final[Series] = b"\1"
UNDECIDED: Final[Series] = b"\2"
"""Claims whose outcome is no longer seen."""
FRAUDS: Final[Series] = b"\3"
UNFRAUDS: Final[Series] = b"\4"
ALL: Final = (CLAIMS, DECIDED, UNDECIDED, FRAUDS, UNFRAUDS)


class SeriesRows(NamedTuple):
    """A series as it is looked up."""

    days: Sequence[int]
    sums: Sequence[int]


def rows_of(series: bytes) -> SeriesRows:
    """The rows of a series."""
    rows = array("i", series)
    return SeriesRows(rows[::2], rows[1::2])


def total(rows: SeriesRows | None, day: int) -> int:
    """The sum of what changed before a day."""
    if rows is None:
        return 0
    place = bisect_left(rows.days, day)
    return rows.sums[place - 1] if place else 0


def added(series: bytes | None, changes: ByDay, many: int = MANY) -> bytes | None:
    """A series with more changes; None if it has no row.

    A row without a change is dropped: the same changes give the same bytes in any order.

    Args:
        series: None if it has no row yet.
        changes: by day.
        many: if there are more rows after the first change, they are changed all at once.
    """
    former = series or b""
    if len(changes) == 1:
        ((day, by),) = changes.items()
        known, sum_then = _ROWS.unpack_from(former, len(former) - _ROW) if former else (-1, 0)
        if day > known and by:
            return former + _ROWS.pack(day, sum_then + by)
    rows = memoryview(former).cast("i")
    days = rows[::2]
    first = bisect_left(days, min(changes))
    running = rows[2 * first - 1] if first else 0
    if len(days) - first > many:
        return former[: first * _ROW] + _many_added(rows[2 * first :], running, changes) or None
    by_day = dict(changes)
    last = running
    for place in range(first, len(days)):
        day, sum_then = rows[2 * place], rows[2 * place + 1]
        by_day[day] = by_day.get(day, 0) + sum_then - last
        last = sum_then
    tail = array("i")
    for day in sorted(by_day):
        if by_day[day]:
            running += by_day[day]
            tail.append(day)
            tail.append(running)
    return former[: first * _ROW] + tail.tobytes() or None


def _many_added(rows: "memoryview[int]", before: int, changes: ByDay) -> bytes:
    """The same for many rows, none of them from a day before the first change.

    Args:
        rows: days and sums.
        before: the sum before the first row.
        changes: by day.
    """
    found = np.frombuffer(rows, np.int32).reshape(-1, 2)
    days = np.array(sorted(changes), np.int32)
    by = np.cumsum([changes[int(day)] for day in days])
    places = np.searchsorted(found[:, 0], days)
    sums = np.concatenate([[before], found[:, 1]])
    new = found[np.minimum(places, len(found) - 1), 0] != days
    added = np.column_stack([days, sums[places] + by])[new]
    more = np.concatenate([[0], by])[np.searchsorted(days, found[:, 0], side="right")]
    every = np.insert(
        np.column_stack([found[:, 0], found[:, 1] + more]), places[new], added, axis=0
    )
    changed = np.diff(every[:, 1], prepend=before) != 0
    return bytes(every[changed].astype(np.int32))


def outcome_changes(
    known_at: int, findings: tuple[OutcomeFact, ...], span: int
) -> Iterable[tuple[Series, int]]:
    """The series that a claim's findings change, with the days just after which they do.

    Args:
        known_at: when it came in.
        findings: on it, the latest last.
        span: milliseconds after which a fact is no longer seen.
    """
    for moment, decided, fraud in steps(known_at, findings, span) if findings else ():
        if decided:
            yield (DECIDED if decided > 0 else UNDECIDED), moment // DAY
        if fraud:
            yield (FRAUDS if fraud > 0 else UNFRAUDS), moment // DAY
