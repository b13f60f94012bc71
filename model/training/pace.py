"""How many claims a day there are."""

from collections.abc import Sequence
from typing import Final

import numpy as np

_EDGE: Final = 0.01
"""Share of the days, at either end, that may be wrong."""
_LONGER: Final = 2.0


def claims_per_day(days: Sequence[int], claims: int) -> float:
    """Claims per calendar day of the period from the first day to the last.

    A single wrong year, such as 1024 or 9999, would make that period centuries long. So where it is
    more than twice as long as the period of the middle 98 % of the days, that one counts.

    Args:
        days: ordinals of the known days, in any order.
        claims: number of claims, with those whose day is not known.
    """
    if not days:
        return float(claims)
    ordered = np.sort(np.array(days, dtype=np.int64))
    whole = int(ordered[-1] - ordered[0]) + 1
    edge = int(_EDGE * len(ordered)) + 1
    middle = ordered[edge:-edge]
    if len(middle) < 2:
        return claims / whole
    inner = int(middle[-1] - middle[0]) + 1
    share = len(middle) / len(ordered)
    return claims * share / inner if whole * share > _LONGER * inner else claims / whole
