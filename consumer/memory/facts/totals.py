"""Totals by day, as they are stored: a business-like entity has too many claims to count. Pure.

A series has a row for each day on which it changes: the day, and the sum of all changes up to and
with it. Rows are pairs of 32-bit integers in the order of the machine, so that a total is looked
up in the bytes as they are.
"""

import enum
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

from model.history.facts import DAY, ClaimFact, OutcomeFact
from model.history.past import steps

ByDay = Mapping[int, int]
"""By day since 1970."""
_ROW: Final = 8


class Series(enum.IntEnum):
    """What is counted; each is a row of bytes of its own.

    Rises and falls are apart because claims rise today and fall when they expire, years later: in
    one series, each rise would change all that is to fall.
    """

    CLAIMS = 0
    DECIDED = 1
    UNDECIDED = 2
    """Claims whose outcome is not seen any more, or not yet again."""
    FRAUDS = 3
    UNFRAUDS = 4


def total(series: bytes | None, day: int) -> int:
    """The sum of what changed before a day."""
    if series is None:
        return 0
    rows = memoryview(series).cast("i")
    place = bisect_left(rows[::2], day)
    return rows[2 * place - 1] if place else 0


def added(series: bytes | None, changes: ByDay) -> bytes | None:
    """A series with more changes; None if it has no row.

    A row without a change does not stay: the same changes give the same bytes in any order.
    """
    former = series or b""
    rows = memoryview(former).cast("i")
    days = rows[::2]
    first = bisect_left(days, min(changes))
    running = rows[2 * first - 1] if first else 0
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


def outcome_changes(
    fact: ClaimFact, findings: tuple[OutcomeFact, ...], span: int
) -> Iterable[tuple[Series, int]]:
    """Days just after which a claim is decided, or no more, and as fraud, with the series."""
    for moment, decided, fraud in steps(fact.known_at, findings, span):
        if decided:
            yield (Series.DECIDED if decided > 0 else Series.UNDECIDED), moment // DAY
        if fraud:
            yield (Series.FRAUDS if fraud > 0 else Series.UNFRAUDS), moment // DAY
