"""Drift: how far the claims of a window differ from those the model was trained on.

The population stability index compares shares of bins: the sum over the bins of
``(new - old) * ln(new / old)`` (Siddiqi, "Credit Risk Scorecards", 2006, chapter 9, where below
0.1 is considered stable and above 0.25 a shift). Bins are created once, from the training claims:
for a number, ten of about equal size and one for missing; for a category, one per value, one for
unknown and one for missing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct

from model.arrays import Counts, Numbers

SCORE: Final = "fraud_probability"
"""Name of the score among the columns measured for drift."""
BINS: Final = 10
MOST_CODES: Final = 64
_PRIOR: Final = 0.5


class Bins(Struct, frozen=True):
    """Bins of one column: below the first edge, between edges (the lower one included), missing.

    `counts` are those of the training claims: one more than edges, and one for missing.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def count(self, values: Numbers) -> Counts:
        """The number of values in each bin."""
        bins = np.searchsorted(self.edges, values, side="right")
        bins[np.isnan(values)] = len(self.edges) + 1
        return np.bincount(bins, minlength=len(self.edges) + 2)


def number_bins(values: Numbers) -> Bins:
    """Bins of about equal size; fewer if values repeat."""
    present = values[~np.isnan(values)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    cuts = np.quantile(present, inner, method="lower") if len(present) else np.empty(0)
    edges = np.unique(cuts)
    return _counted(edges[edges > present.min()] if len(present) else edges, values)


def code_bins(codes: Numbers, known: int) -> Bins:
    """One bin for unknown (code -1), one for each of the known codes.

    More than `MOST_CODES` share bins: with hundreds of bins the index measures chance.
    """
    width = -(-known // MOST_CODES) or 1
    return _counted(np.arange(0, known, width, dtype=np.float64), codes)


def _counted(edges: Numbers, values: Numbers) -> Bins:
    at = tuple(edges.tolist())
    return Bins(at, tuple(Bins(at, ()).count(values).tolist()))


def psi(old: Sequence[int] | Counts, new: Sequence[int] | Counts) -> float:
    """Population stability index of two counts over the same bins; 0 means no change.

    Half a claim is added to each bin, so that an empty bin does not make it infinite.
    """
    before, after = (np.asarray(c, dtype=np.float64) + _PRIOR for c in (old, new))
    a, b = before / before.sum(), after / after.sum()
    return float(((b - a) * np.log(b / a)).sum())


def noise(bins: int, old: int, new: int) -> float:
    """The index to expect for `new` claims from the same population as `old`, without any drift.

    Scaled by the sizes' harmonic sum, the index is about chi-squared with ``bins - 1`` degrees of
    freedom (Yurdakul, "Statistical properties of population stability index", 2018); this is its
    mean plus two standard deviations.
    """
    free = max(bins - 1, 1)
    return (free + 2 * math.sqrt(2 * free)) * (1 / old + 1 / new)


class Window:
    """Counts of the claims seen since the window began."""

    def __init__(self, reference: Mapping[str, Bins]) -> None:
        self._reference = reference
        self._counts: dict[str, Any] = {}
        self.claims = 0
        self.clear()

    def add(self, matrix: Numbers, names: Sequence[str], p: Numbers) -> None:
        """Count a batch.

        Args:
            matrix: encoded claims in tree form, shape (n_claims, n_features).
            names: of the matrix's columns.
            p: fraud probabilities, shape (n_claims,).
        """
        self.claims += len(p)
        for name, values in zip((*names, SCORE), (*matrix.T, p), strict=True):
            if name in self._counts:
                self._counts[name] += self._reference[name].count(values)

    def merge(self, other: "Window") -> None:
        """Add the counts of another window over the same reference."""
        self.claims += other.claims
        for name, counts in other._counts.items():
            self._counts[name] += counts

    def index(self) -> dict[str, float]:
        """Population stability index of each column and of the score; empty before any claim."""
        if not self.claims:
            return {}
        return {name: psi(self._reference[name].counts, c) for name, c in self._counts.items()}

    def clear(self) -> None:
        """Start a new window."""
        self.claims = 0
        for name, bins in self._reference.items():
            self._counts[name] = np.zeros(len(bins.counts), dtype=np.int64)
