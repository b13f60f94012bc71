"""Columns as their distinct values, and which of them each row has."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Coded(NamedTuple):
    """A column in which equal values are stored once."""

    values: Sequence[Any]
    """Those that occur; equal ones may occur twice, if different cells stand for them."""
    at: npt.NDArray[np.int32]
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
    at = [places.setdefault(value, len(places)) for value in values]
    return Coded(list(places), np.array(at, dtype=np.int32))


def always(value: Any, rows: int) -> Coded:
    """A column of one value."""
    return Coded([value], np.zeros(rows, dtype=np.int32))
