"""Conditions of small trees: which of them claims meet, all at once."""

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np

from model.arrays import Flags, Indices, Matrix, Numbers
from model.compiled.nodes import Nodes, NodeSplit

MOST_CONDITIONS: Final = 7
"""In a tabulated tree: its tables have ``2 ** conditions`` rows."""
_LARGEST: Final = sys.float_info.max

Condition = tuple[int, float, bool, tuple[int, ...] | None]
"""Feature, threshold, whether missing values meet it, and the categories that do."""


def condition(split: NodeSplit) -> Condition:
    """The condition met by claims that go left."""
    return split.feature, split.threshold, split.missing_left, split.categories


def conditions(nodes: Nodes) -> list[Condition]:
    """Distinct conditions of a tree."""
    splits = (node for node in nodes if isinstance(node, NodeSplit))
    return list(dict.fromkeys(map(condition, splits)))


class Conditions:
    """Distinct conditions of some trees, none of which has more than `MOST_CONDITIONS`."""

    def __init__(self, trees: Sequence[Nodes]) -> None:
        every = {c for nodes in trees for c in conditions(nodes)}
        # Those that missing values meet come first, then others on numbers, then categories.
        numeric = sorted((c for c in every if c[3] is None), key=lambda c: (not c[2], c))
        categorical = sorted(c for c in every if c[3] is not None)
        order = {c: i for i, c in enumerate([*numeric, *categorical])}
        self._column = np.array([c[0] for c in numeric], dtype=np.int64)
        self._missing = sum(c[2] for c in numeric)
        limits = np.array([c[1] for c in numeric])
        # LightGBM compares with the largest double in place of infinity.
        self._limit = np.clip(limits, -_LARGEST, _LARGEST)[:, None]
        self._set_column = np.array([c[0] for c in categorical], dtype=np.int64)
        width = max((max(c[3], default=0) for c in categorical if c[3] is not None), default=0) + 1
        self._members = np.zeros((len(categorical), width + 1), dtype=bool)
        """One column for each category, and a last one for whatever is in no set."""
        for i, (*_, members) in enumerate(categorical):
            self._members[i, list(members or ())] = True
        self._set = np.arange(len(categorical))[:, None]
        # For each tree, where its conditions are among all; trees with fewer have one that no
        # claim meets.
        self._places = np.full((MOST_CONDITIONS, len(trees)), len(order), dtype=np.int64)
        for tree, nodes in enumerate(trees):
            own = conditions(nodes)
            self._places[: len(own), tree] = [order[c] for c in own]

    def met(self, X: Matrix) -> Indices:
        """By tree, the combination of its conditions that a claim meets: bit i is for condition i.

        Args:
            X: encoded claims, shape (n_claims, n_features).

        Returns:
            Shape (n_trees, n_claims).
        """
        each = self._each(X).view(np.uint8)
        found = each[self._places[0]]
        for bit in range(1, MOST_CONDITIONS):
            found |= each[self._places[bit]] << bit
        combination: Indices = found.astype(np.int64)
        return combination

    def met_by_one(self, claim: Numbers) -> Indices:
        """`met` of one claim, shape (n_features,), in fewer and cheaper steps: shape (n_trees,)."""
        each = self._of_one(claim)
        found: Indices = np.packbits(each.take(self._places), axis=0, bitorder="little")[0]
        return found

    def _of_one(self, claim: Numbers) -> Flags:
        """`_each` of one claim, shape (n_conditions + 1,)."""
        numeric, missing = len(self._column), self._missing
        found = np.zeros(numeric + len(self._members) + 1, dtype=bool)
        numbers, limits = claim.take(self._column), self._limit[:, 0]
        # A missing value is not above any limit, and not below any either.
        np.logical_not(numbers[:missing] > limits[:missing], out=found[:missing])
        np.less_equal(numbers[missing:], limits[missing:], out=found[missing:numeric])
        if len(self._members):
            found[numeric:-1] = self._among(claim[self._set_column][:, None])[:, 0]
        return found

    def _each(self, X: Matrix) -> Flags:
        """Where a claim meets a condition, shape (n_conditions + 1, n_claims); never the last."""
        columns, numeric = X.T, len(self._column)
        found = np.zeros((numeric + len(self._members) + 1, len(X)), dtype=bool)
        numbers = columns[self._column]
        np.less_equal(numbers, self._limit, out=found[:numeric])
        found[: self._missing] |= np.isnan(numbers[: self._missing])
        found[numeric:-1] = self._among(columns[self._set_column])
        return found

    def _among(self, codes: Matrix) -> Flags:
        """Whether categories are in the sets, shape (n_sets, n_claims), as the codes are."""
        nowhere = self._members.shape[1] - 1
        known = (codes >= 0) & (codes < nowhere)
        places = np.where(known, codes, nowhere).astype(np.int64)
        found: Flags = self._members[self._set, places]
        return found
