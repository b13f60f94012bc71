"""Shares and their uncertainty."""

import numpy as np
import numpy.typing as npt

Z_95 = 1.96
"""Quantile of the normal distribution for a two-sided interval of 95 %."""


def wilson(
    share: npt.NDArray[np.float64], n: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bounds of the 95 % interval of a share among n (Wilson, 1927); valid for few and for none."""
    z2 = Z_95**2
    middle = share + z2 / (2 * n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))
    ends = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return np.minimum(ends[0], share), np.maximum(ends[1], share)
