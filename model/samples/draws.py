"""What generators of events share: draws, days, and what becomes known of a claim, and when."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from model.arrays import Flags, Indices, Numbers

DrawnEvent = dict[str, Any]
Texts = npt.NDArray[np.object_]

FIRST_DAY: Final = dt.date(2023, 1, 2)
DAYS: Final = 3 * 365
LAST_DAY: Final = FIRST_DAY.toordinal() + DAYS
"""Day on which the files are written: what is found later is not known in them."""
FOUND: Final = 0.85
"""Share of the frauds that a review finds."""
BLAMED: Final = 0.004
"""Share of the honest claims that a review takes for fraud."""


def pick(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> Texts:
    """Draw names by their shares, shape (n,)."""
    total = sum(shares.values())
    drawn = rng.choice(len(shares), n, p=[share / total for share in shares.values()])
    return np.array(list(shares), dtype=object)[drawn]


def busy(rng: np.random.Generator, n: int, count: int) -> Indices:
    """Draw which of `count` providers each claim is of, shape (n,): a few of them have many."""
    size = rng.lognormal(0, 0.9, count)
    return rng.choice(count, n, p=size / size.sum())


def some_of(rng: np.random.Generator, count: int, chosen: int) -> Flags:
    """Draw `chosen` of `count` providers, shape (count,)."""
    found = np.zeros(count, dtype=bool)
    found[rng.choice(count, chosen, replace=False)] = True
    return found


def days_of_events(rng: np.random.Generator, n: int) -> Indices:
    """Sorted days on which n events happened, as ordinals, shape (n,)."""
    return np.sort(rng.integers(0, DAYS, n)) + FIRST_DAY.toordinal()


class Review(NamedTuple):
    """What reviews have found by `LAST_DAY`; each part has shape (n,)."""

    fraud: Flags
    closed: Indices
    """Day on which the review was closed, as ordinals."""

    @property
    def known(self) -> Flags:
        """Whether it was closed by the time the files were written."""
        return self.closed <= LAST_DAY


def review(rng: np.random.Generator, fraud: Flags, reported: Indices) -> Review:
    """Let reviews find most frauds, months later, and clear most of the rest within weeks."""
    n = len(fraud)
    found = np.where(fraud, rng.random(n) < FOUND, rng.random(n) < BLAMED)
    weeks = np.where(found, rng.lognormal(2.8, 0.5, n), rng.lognormal(1.0, 0.7, n))
    return Review(found, reported + 1 + (weeks * 7).astype(np.int64))


def written(days: Indices, form: Callable[[dt.date], str]) -> list[str]:
    """Days as texts."""
    texts = {day: form(dt.date.fromordinal(day)) for day in set(days.tolist())}
    return [texts[day] for day in days.tolist()]


def amounts(values: Numbers, form: Callable[[float], str]) -> list[str]:
    """Amounts as texts."""
    return [form(value) for value in values.tolist()]


def where(there: Flags, values: Iterable[str]) -> list[str | None]:
    """The values that are there, None in place of the others."""
    return [value if t else None for value, t in zip(values, there.tolist(), strict=True)]


def yes_no(flags: Flags, yes: str, no: str) -> list[str]:
    """Flags as words."""
    return [yes if flag else no for flag in flags.tolist()]


def objects(members: Mapping[str, Sequence[Any]]) -> list[DrawnEvent]:
    """One object for each row of the members; those without a value, None, are left out."""
    return [
        {name: value for name, value in zip(members, row, strict=True) if value is not None}
        for row in zip(*members.values(), strict=True)
    ]
