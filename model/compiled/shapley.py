"""Shapley values of small trees from tables: the conditions that hold for a claim select the rows.

A tree with at most `MOST_CONDITIONS` distinct conditions gives all claims that meet the same ones
the same contributions. So those of every combination are computed once, by definition: Shapley's
formula over all sets of known features, where a split by an unknown feature is averaged over the
training rows on its two sides (Lundberg et al., "From local explanations to global understanding
with explainable AI for trees", Nature Machine Intelligence 2 (2020), algorithm 1).
"""

import sys
from collections.abc import Sequence
from functools import cache
from math import comb
from typing import Final

import numpy as np

from model.arrays import Counts, Flags, Indices, Matrix, Numbers
from model.compiled.nodes import Leaf, Nodes, NodeSplit

MOST_CONDITIONS: Final = 7
"""A tree with more is not tabulated: its table has ``2 ** conditions`` rows."""
_BITS: Final = 8
"""Of a row's number: one for each condition, and one that is never set."""
_LARGEST: Final = sys.float_info.max

Condition = tuple[int, float, bool, tuple[int, ...] | None]
"""Feature, threshold, whether missing values meet it, and the categories that do."""


def are_small(trees: Sequence[Nodes]) -> bool:
    """True if each of the trees can be tabulated."""
    return all(len(_conditions(nodes)) <= MOST_CONDITIONS for nodes in trees)


class ShapleyTables:
    """Contributions of trees that `are_small`."""

    def __init__(self, trees: Sequence[Nodes], features: int) -> None:
        """Compute the tables.

        Args:
            trees: their sum is the raw score.
            features: number of columns of the matrix of claims.
        """
        grown = [nodes for nodes in trees if len(nodes) > 1]
        self._features = features
        self._expected = sum(_mean(nodes) for nodes in trees)
        self._conditions = _Conditions({c for nodes in grown for c in _conditions(nodes)})
        never = len(self._conditions.order)
        places = np.full((len(grown), _BITS), never, dtype=np.int64)
        stretches: list[tuple[int, int, Numbers]] = []
        for tree, nodes in enumerate(grown):
            own = _conditions(nodes)
            places[tree, : len(own)] = [self._conditions.order[c] for c in own]
            used = _features(nodes)
            table = _table(nodes, own, used)
            stretches += [(f, tree, table[:, place]) for place, f in enumerate(used)]
        self._places = places.ravel()
        """Of each tree, where its conditions stand among all: bit by bit its row of a table."""
        stretches.sort(key=lambda stretch: stretch[:2])
        self._tree: Indices = np.array([tree for _, tree, _ in stretches], dtype=np.int64)
        self._table = np.concatenate([*(values for *_, values in stretches), np.zeros(1)])
        lengths = [len(values) for *_, values in stretches]
        self._begins: Indices = np.cumsum([0, *lengths], dtype=np.int64)[:-1]
        self._shown, self._bounds = np.unique([f for f, *_ in stretches], return_index=True)

    def contributions(self, X: Matrix) -> Matrix:
        """Shape (n_claims, n_features + 1): each feature's, and last the expected raw score."""
        found = np.zeros((len(X), self._features + 1))
        found[:, -1] = self._expected
        if len(self._tree):
            bits = self._conditions.met(X)[:, self._places]
            rows = np.packbits(bits, axis=1, bitorder="little")
            parts = self._table[rows[:, self._tree] + self._begins]
            found[:, self._shown] = np.add.reduceat(parts, self._bounds, axis=1)
        return found


class _Conditions:
    """Distinct conditions of all trees; those on numbers come first."""

    def __init__(self, conditions: set[Condition]) -> None:
        numeric = sorted(c for c in conditions if c[3] is None)
        categorical = sorted(c for c in conditions if c[3] is not None)
        self.order = {c: i for i, c in enumerate([*numeric, *categorical])}
        self._column = np.array([c[0] for c in numeric], dtype=np.int64)
        limits = np.array([c[1] for c in numeric])
        # LightGBM compares with the largest double in place of infinity.
        self._limit = np.clip(limits, -_LARGEST, _LARGEST)
        self._missing = np.array([c[2] for c in numeric], dtype=bool)
        self._set_column = np.array([c[0] for c in categorical], dtype=np.int64)
        width = max((max(c[3], default=0) for c in categorical if c[3] is not None), default=0) + 1
        self._members = np.zeros((len(categorical), width + 1), dtype=bool)
        """One column for each category, and a last one for whatever is in no set."""
        for i, (*_, members) in enumerate(categorical):
            self._members[i, list(members or ())] = True

    def met(self, X: Matrix) -> Flags:
        """Where a claim meets a condition, shape (n_claims, n_conditions + 1), the last never."""
        numbers, codes = X[:, self._column], X[:, self._set_column]
        nowhere = self._members.shape[1] - 1
        known = (codes >= 0) & (codes < nowhere)
        places = np.where(known, codes, nowhere).astype(np.int64)
        below = (numbers <= self._limit) | (np.isnan(numbers) & self._missing)
        within: Flags = self._members[np.arange(len(self._members)), places]
        return np.hstack([below, within, np.zeros((len(X), 1), dtype=bool)])


def _condition(split: NodeSplit) -> Condition:
    return split.feature, split.threshold, split.missing_left, split.categories


def _splits(nodes: Nodes) -> list[NodeSplit]:
    return [node for node in nodes if isinstance(node, NodeSplit)]


def _conditions(nodes: Nodes) -> list[Condition]:
    return list(dict.fromkeys(map(_condition, _splits(nodes))))


def _features(nodes: Nodes) -> list[int]:
    return sorted({split.feature for split in _splits(nodes)})


def _mean(nodes: Nodes, at: int = 0) -> float:
    """Mean of the leaves over the training rows."""
    node = nodes[at]
    if isinstance(node, Leaf):
        return node.value
    left, right = nodes[node.left].rows, nodes[node.right].rows
    both = left * _mean(nodes, node.left) + right * _mean(nodes, node.right)
    return both / (left + right)


def _table(nodes: Nodes, conditions: list[Condition], features: list[int]) -> Matrix:
    """Contributions, shape (2 ** n_conditions, n_features used): bit i says if condition i is met.

    `values` is the mean of the leaves that a claim may reach, by which conditions it meets (rows)
    and which features are known (columns, bit j for feature j).
    """
    rows = np.arange(2 ** len(conditions))[:, None]
    sets = np.arange(2 ** len(features))[None, :]
    met = {c: (rows >> i & 1).astype(bool) for i, c in enumerate(conditions)}
    known = {f: (sets >> j & 1).astype(bool) for j, f in enumerate(features)}

    def values(at: int) -> Matrix:
        node = nodes[at]
        if isinstance(node, Leaf):
            return np.full((1, 1), node.value)
        left, right = values(node.left), values(node.right)
        l_rows, r_rows = nodes[node.left].rows, nodes[node.right].rows
        mean = (l_rows * left + r_rows * right) / (l_rows + r_rows)
        chosen = np.where(met[_condition(node)], left, right)
        return np.where(known[node.feature], chosen, mean)

    found = np.broadcast_to(values(0), (rows.size, sets.size))
    # A product of matrices would add in the order that suits the processor, and alerts of the same
    # claim would differ in the last digit of a contribution.
    table: Matrix = np.add.reduce(found[:, :, None] * _weights(len(features)), axis=1)
    return table


@cache
def _weights(features: int) -> Matrix:
    """Shapley's weights, shape (2 ** n_features, n_features): of each set's value for a feature."""
    sets = np.arange(2**features)
    sizes: Counts = np.array([int(s).bit_count() for s in sets], dtype=np.int64)
    weights = np.zeros((len(sets), features))
    for feature in range(features):
        holds = (sets >> feature & 1).astype(bool)
        others = sizes - holds
        share = np.array([1 / (features * comb(features - 1, int(n))) for n in others])
        weights[:, feature] = np.where(holds, share, -share)
    return weights
