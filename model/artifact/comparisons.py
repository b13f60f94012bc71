"""What the training claims were like, fact by fact, for reasons to compare a claim with.

Counts of fewer than `FEWEST` claims, and of fewer than `FEWEST_FRAUDS` frauds, are withheld: they
would be about a few people.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from model.arrays import Counts, Flags, Labels, Matrix, Numbers

FEWEST: Final = 10
FEWEST_FRAUDS: Final = 5
MOST_VALUES: Final = 24
"""A number with more distinct values is compared by rank, not by value."""
MOST_TOGETHER: Final = 24
"""Facts with more distinct values are not counted together with others."""
_LEVELS: Final = (
    *(0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04),
    *np.linspace(0.05, 0.95, 19).round(2).tolist(),
    *(0.96, 0.97, 0.98, 0.985, 0.99, 0.992, 0.994, 0.996, 0.998, 0.999),
)


class Tally(Struct, frozen=True, array_like=True):
    """Training claims that have a fact in common."""

    claims: int
    frauds: int | None
    """Of them; None: fewer than `FEWEST_FRAUDS`."""


class Spread(Struct, frozen=True):
    """How the values of a number are spread, at some of them in ascending order."""

    values: tuple[float, ...]
    below: tuple[int, ...]
    """Claims with a smaller value than each of `values`."""
    upto: tuple[int, ...]
    """Claims with that value or a smaller one."""
    claims: int
    """Claims that have a value."""

    def above(self, value: float) -> float:
        """Share of claims, 0 to 1, that are known to have a smaller value."""
        at = bisect_left(self.values, value)
        if at < len(self.values) and self.values[at] == value:
            return self._share(self.below[at])
        return self._share(self.upto[at - 1]) if at else 0.0

    def under(self, value: float) -> float:
        """Share of claims, 0 to 1, that are known to have a larger value."""
        at = bisect_right(self.values, value)
        if at and self.values[at - 1] == value:
            return self._share(self.claims - self.upto[at - 1])
        return self._share(self.claims - self.below[at]) if at < len(self.values) else 0.0

    def _share(self, claims: int) -> float:
        """Never so near to 1 that the others are fewer than `FEWEST`."""
        return min(claims, self.claims - FEWEST) / self.claims

    @property
    def median(self) -> float:
        """The smallest of `values` that at least half of the claims do not exceed."""
        return self.values[bisect_left(self.upto, self.claims / 2)]


class Compared(Struct, frozen=True, kw_only=True):
    """One feature in the training claims."""

    tallies: dict[str, Tally] = {}
    """By code, as `key` writes it: of flags, categories, and numbers with few distinct values."""
    spread: Spread | None = None
    """Of numbers."""


class Comparisons(Struct, frozen=True, kw_only=True):
    """The training claims, by feature."""

    claims: int
    frauds: int
    features: dict[str, Compared]
    joint: dict[str, dict[str, Tally]] = {}
    """Of two features that say one thing together: by both names, then by both codes; see `both`.
    Empty in references of before."""


def key(code: float) -> str:
    """A code as a name in JSON; of a missing value, nan."""
    return repr(float(code))


def both(first: str, second: str) -> str:
    """Two names of features, or two codes as `key` writes them, as one name in JSON."""
    return f"{first}|{second}"


def compare(
    codes: Matrix,
    labels: Labels,
    names: Mapping[str, bool],
    withheld: Flags,
    pairs: Iterable[tuple[int, int]] = (),
) -> Comparisons:
    """Describe the training claims.

    Args:
        codes: encoded for trees, shape (n_claims, n_features).
        labels: 1 for fraud, shape (n_claims,).
        names: of the columns; True for numbers, False for flags and categories.
        withheld: of the columns, True where nothing may be told.
        pairs: of columns whose facts are told together.
    """
    order = list(names)
    columns = zip(codes.T, names.items(), withheld.tolist(), strict=True)
    return Comparisons(
        claims=len(labels),
        frauds=int(labels.sum()),
        features={
            name: _compared(values, labels, is_number)
            for values, (name, is_number), hidden in columns
            if not hidden
        },
        joint={
            both(order[one], order[other]): _joint(codes[:, one], codes[:, other], labels)
            for one, other in pairs
            if not withheld[one] and not withheld[other]
        },
    )


def _compared(values: Numbers, labels: Labels, is_number: bool) -> Compared:
    found, place = np.unique(values, return_inverse=True)  # missing values are one
    claims: Counts = np.bincount(place).astype(np.int64)
    frauds = np.bincount(place, weights=labels)
    told = claims >= FEWEST
    if is_number and len(found) > MOST_VALUES:
        told &= np.isnan(found)
    tallies = {
        key(code): _tally(n, k)
        for code, n, k in zip(found[told], claims[told], frauds[told], strict=True)
    }
    known = ~np.isnan(found)
    spread = _spread(found[known], claims[known]) if is_number else None
    return Compared(tallies=tallies, spread=spread)


def _joint(first: Numbers, second: Numbers, labels: Labels) -> dict[str, Tally]:
    """Counts of two columns' values together; none of numbers that are compared by rank."""
    (ones, at), (others, there) = (np.unique(c, return_inverse=True) for c in (first, second))
    if max(len(ones), len(others)) > MOST_TOGETHER:
        return {}
    places = at * len(others) + there
    claims: Counts = np.bincount(places).astype(np.int64)
    frauds = np.bincount(places, weights=labels)
    return {
        both(key(ones[place // len(others)]), key(others[place % len(others)])): _tally(
            claims[place], frauds[place]
        )
        for place in np.flatnonzero(claims >= FEWEST).tolist()
    }


def _tally(claims: float, frauds: float) -> Tally:
    return Tally(int(claims), int(frauds) if frauds >= FEWEST_FRAUDS else None)


def _spread(values: Numbers, claims: Counts) -> Spread | None:
    """The spread at chosen levels; None if there are too few claims to tell."""
    total = int(claims.sum())
    if total < 2 * FEWEST:
        return None
    upto = np.cumsum(claims)
    wanted = {max(math.ceil(level * total), FEWEST) for level in _LEVELS}
    # Counted from both ends, so that nobody is alone beyond a value that is kept.
    ranks = [rank for rank in sorted(wanted) if rank <= total - FEWEST]
    at = np.unique(np.searchsorted(upto, ranks))
    return Spread(
        values=tuple(values[at].tolist()),
        below=tuple((upto[at] - claims[at]).tolist()),
        upto=tuple(upto[at].tolist()),
        claims=total,
    )
