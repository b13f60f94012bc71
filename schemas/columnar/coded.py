"""Columns as their distinct values, and which of them each row has."""

from array import array
from collections.abc import Hashable, Sequence
from typing import Any, Final, NamedTuple

PLACE: Final = "i"
"""Type code of places: 32 bits."""


class Coded(NamedTuple):
    """A column in which equal values are stored once."""

    values: Sequence[Any]
    """Those that occur; equal ones may occur twice, if different cells stand for them."""
    at: "memoryview[int]"
    """Place of each row's value among them, shape (n_rows,)."""

    def tolist(self) -> list[Any]:
        """The value of each row."""
        return list(map(self.values.__getitem__, self.at.tolist()))

    def item(self, row: int) -> Any:
        """The value of one row."""
        return self.values[self.at[row]]


def coded(values: Sequence[Hashable]) -> Coded:
    """The column with these values, one a row."""
    places: dict[Hashable, int] = {}
    at = array(PLACE, [places.setdefault(value, len(places)) for value in values])
    return Coded(list(places), memoryview(at))


def always(value: Any, rows: int) -> Coded:
    """A column of one value."""
    return Coded([value], memoryview(array(PLACE, [0]) * rows))
