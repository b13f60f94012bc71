"""Codes of one categorical column, and the only place that decides what is missing."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from schemas.expressions.spelling import clean

UNKNOWN: Final = -1.0
MISSING: Final = float("nan")


def plain_list(column: Any) -> list[Any]:
    """The column as a list in which every missing value is None or NaN.

    Accepts a list as it is (the serving path uses only None), an array, or a pandas Series of any
    dtype, whose NaN, NA and NaT all become None. Uses the Series' own methods, so that serving
    does not need pandas.
    """
    if isinstance(column, list):
        return column
    if hasattr(column, "notna"):
        column = column.astype(object).where(column.notna(), None)
    values: list[Any] = column.tolist()
    return values


def numbers(column: Any) -> npt.NDArray[np.float64]:
    """The column as floats; missing is NaN, a flag is 0 or 1."""
    if isinstance(column, np.ndarray) and column.dtype == np.float64:
        return column
    return np.array(plain_list(column), dtype=np.float64)


class _Codes(dict[Any, float]):
    """Code of each known spelling; any other is looked up by its cleaned form."""

    def __missing__(self, value: Any) -> float:
        cleaned = clean(value)
        return MISSING if cleaned is None else self.get(cleaned, UNKNOWN)


class Vocabulary:
    """Codes of the categories of one column, learnt from its training values.

    Known categories are 0, 1, … in alphabetical order, a category that was not learnt is `UNKNOWN`,
    a missing one NaN. Beyond `limit` categories the rarest are not learnt (ties: alphabetical).
    """

    def __init__(self, values: Iterable[Any], limit: int) -> None:
        counted = Counter(values)
        tally: Counter[str] = Counter()
        for value, count in counted.items():
            cleaned = clean(value)
            if cleaned is not None:
                tally[cleaned] += count
        kept = sorted(tally, key=lambda name: (-tally[name], name))[:limit]
        self.categories: tuple[str, ...] = tuple(sorted(kept))
        self._codes = _Codes({name: float(i) for i, name in enumerate(self.categories)})
        # Spellings seen in training are found without cleaning them again; so is None.
        self._codes |= {v: self._codes[v] for v in counted if isinstance(v, str)}
        self._codes[None] = MISSING

    @classmethod
    def known(cls, categories: Sequence[str], spellings: Mapping[str, float | None]) -> Self:
        """One that was learnt before.

        Args:
            categories: in the order of their codes.
            spellings: the code of each spelling seen in training; None if it says missing.
        """
        found = cls((), 0)
        found.categories = tuple(categories)
        found._codes |= {v: MISSING if c is None else c for v, c in spellings.items()}
        return found

    def spellings(self) -> dict[str, float | None]:
        """The code of each spelling seen in training, and of each category; None: missing."""
        known = ((v, c) for v, c in self._codes.items() if v is not None)
        return {v: None if math.isnan(c) else c for v, c in known}

    @property
    def table(self) -> Mapping[Any, float]:
        """The code of any value, by subscription."""
        return self._codes

    def codes(self, values: list[Any]) -> npt.NDArray[np.float64]:
        """One code for each value."""
        return np.fromiter(map(self._codes.__getitem__, values), np.float64, len(values))
