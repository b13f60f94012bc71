"""What is missing in claims, or was never seen in training: flags on the quality of their data."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from model.arrays import Flags, Matrix
from model.features.vocabulary import UNKNOWN

REMEMBERED: Final = 10_000
"""Most combinations that are remembered; then they are forgotten, and made again."""


class DataQuality:
    """Flags of claims: ``missing:FEATURE`` and ``unknown_category:FEATURE``.

    Claims of one sender lack the same fields, so the flags of a combination are made once.

    Args:
        names: of the columns.
        expected: features whose absence is flagged.
        categories: features for which -1 means a category not seen in training.
        remembered: most combinations of flags that are remembered between batches.
    """

    def __init__(
        self,
        names: Sequence[str],
        expected: frozenset[str],
        categories: Mapping[str, object],
        remembered: int = REMEMBERED,
    ) -> None:
        self._remembered = remembered
        self._names = tuple(names)
        self._expected: Flags = np.array([name in expected for name in names])
        self._categories: Flags = np.array([name in categories for name in names])
        self._known: dict[bytes, tuple[str, ...]] = {}

    def flags(self, codes: Matrix) -> list[tuple[str, ...]]:
        """Of each claim, in the order of the columns.

        Args:
            codes: encoded claims in tree form, shape (n_claims, n_features).
        """
        missing = np.isnan(codes) & self._expected
        marked = missing | ((codes == UNKNOWN) & self._categories)
        if not marked.any():
            return [()] * len(codes)
        # -1 is not NaN, so which of the two it is takes no more than a second bit.
        both = np.hstack([marked, missing])
        bits = np.ascontiguousarray(np.packbits(both, axis=1))
        known = self._known
        if len(known) >= self._remembered:
            known.clear()
        patterns = bits.view(f"S{bits.shape[1]}").ravel().tolist()
        for row, pattern in enumerate(patterns):
            if pattern not in known:
                known[pattern] = self._flags(marked[row], codes[row])
        return [known[pattern] for pattern in patterns]

    def _flags(self, marked: Flags, codes: Matrix) -> tuple[str, ...]:
        return tuple(
            f"{'missing' if np.isnan(codes[column]) else 'unknown_category'}:{self._names[column]}"
            for column in np.flatnonzero(marked).tolist()
        )
