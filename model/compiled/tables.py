"""Small trees as tables: the conditions that a claim meets select what each tree gives it.

A tree with at most `MOST_CONDITIONS` distinct conditions gives all claims that meet the same ones
the same leaf and the same contributions. So both are computed once for every combination: the leaf,
and Shapley values by definition, over all sets of known features, where a split by an unknown
feature is averaged over the training rows on its two sides (Lundberg et al., "From local
explanations to global understanding with explainable AI for trees", Nature Machine Intelligence 2
(2020), algorithm 1).
"""

from collections.abc import Sequence
from functools import cache
from math import comb

import numpy as np

from model.arrays import Counts, Indices, Matrix, Numbers
from model.compiled.conditions import MOST_CONDITIONS, Condition, Conditions, condition, conditions
from model.compiled.nodes import Leaf, Nodes, NodeSplit


def are_small(trees: Sequence[Nodes]) -> bool:
    """True if each of the trees can be tabulated."""
    return all(len(conditions(nodes)) <= MOST_CONDITIONS for nodes in trees)


class TreeTables:
    """Sums and contributions of trees that `are_small`."""

    def __init__(self, trees: Sequence[Nodes], features: int) -> None:
        """Compute the tables.

        Args:
            trees: at least one; their sum is the raw score.
            features: number of columns of the matrix of claims.
        """
        grown = [nodes for nodes in trees if len(nodes) > 1]
        self._features = features
        self._expected = sum(_mean(nodes) for nodes in trees)
        self._conditions = Conditions(grown)
        self._leaves = np.concatenate([_leaves(nodes, conditions(nodes)) for nodes in trees])
        lengths = [2 ** len(conditions(nodes)) for nodes in trees]
        self._first_leaf: Indices = np.cumsum([0, *lengths], dtype=np.int64)[:-1, None]
        self._grown = np.array([len(nodes) > 1 for nodes in trees])
        stretches: list[tuple[int, int, Numbers]] = []
        for tree, nodes in enumerate(grown):
            used = _features(nodes)
            table = _table(nodes, conditions(nodes), used)
            stretches += [(f, tree, table[:, place]) for place, f in enumerate(used)]
        stretches.sort(key=lambda stretch: stretch[:2])
        self._tree: Indices = np.array([tree for _, tree, _ in stretches], dtype=np.int64)
        self._table = np.concatenate([*(values for *_, values in stretches), np.zeros(1)])
        widths = [len(values) for *_, values in stretches]
        self._begins: Indices = np.cumsum([0, *widths], dtype=np.int64)[:-1]
        self._shown, self._bounds = np.unique([f for f, *_ in stretches], return_index=True)

    def raw(self, X: Matrix) -> Numbers:
        """Sum of the trees, shape (n_claims,)."""
        if len(X) == 1:
            return self._of_one(X[0])
        places = np.repeat(self._first_leaf, len(X), axis=1)
        places[self._grown] += self._conditions.met(X)
        # One tree after another, as LightGBM and scikit-learn add them. NumPy adds in pairs, which
        # differs in the last digit, only along the axis whose values are next to each other.
        total: Numbers = np.add.reduce(self._leaves.take(places), axis=0)
        return total

    def _of_one(self, claim: Numbers) -> Numbers:
        """Sum of the trees for one claim, shape (n_features,): of shape (1,)."""
        places = self._first_leaf[:, 0].copy()
        places[self._grown] += self._conditions.met_by_one(claim)
        # A cumulative sum adds one tree after another; the sum of a single row does not.
        total: Numbers = self._leaves.take(places).cumsum()[-1:]
        return total

    def contributions(self, X: Matrix) -> Matrix:
        """Shape (n_claims, n_features + 1): each feature's, and last the expected raw score."""
        found = np.zeros((len(X), self._features + 1))
        found[:, -1] = self._expected
        if len(self._tree):
            rows = np.ascontiguousarray(self._conditions.met(X).T)
            parts = self._table[rows[:, self._tree] + self._begins]
            found[:, self._shown] = np.add.reduceat(parts, self._bounds, axis=1)
        return found


def _features(nodes: Nodes) -> list[int]:
    return sorted({node.feature for node in nodes if isinstance(node, NodeSplit)})


def _leaves(nodes: Nodes, own: list[Condition]) -> Numbers:
    """Values of the leaves that claims reach, shape (2 ** n_conditions,): rows as in `_table`."""
    rows = np.arange(2 ** len(own))
    met = {c: (rows >> i & 1).astype(bool) for i, c in enumerate(own)}

    def values(at: int) -> Numbers:
        node = nodes[at]
        if isinstance(node, Leaf):
            return np.full(len(rows), node.value)
        return np.where(met[condition(node)], values(node.left), values(node.right))

    return values(0)


def _mean(nodes: Nodes, at: int = 0) -> float:
    """Mean of the leaves over the training rows."""
    node = nodes[at]
    if isinstance(node, Leaf):
        return node.value
    left, right = nodes[node.left].rows, nodes[node.right].rows
    both = left * _mean(nodes, node.left) + right * _mean(nodes, node.right)
    return both / (left + right)


def _table(nodes: Nodes, own: list[Condition], features: list[int]) -> Matrix:
    """Contributions, shape (2 ** n_conditions, n_features used): bit i says if condition i is met.

    `values` is the mean of the leaves that a claim may reach, by which conditions it meets (rows)
    and which features are known (columns, bit j for feature j).
    """
    rows = np.arange(2 ** len(own))[:, None]
    sets = np.arange(2 ** len(features))[None, :]
    met = {c: (rows >> i & 1).astype(bool) for i, c in enumerate(own)}
    known = {f: (sets >> j & 1).astype(bool) for j, f in enumerate(features)}

    def values(at: int) -> Matrix:
        node = nodes[at]
        if isinstance(node, Leaf):
            return np.full((1, 1), node.value)
        left, right = values(node.left), values(node.right)
        l_rows, r_rows = nodes[node.left].rows, nodes[node.right].rows
        mean = (l_rows * left + r_rows * right) / (l_rows + r_rows)
        chosen = np.where(met[condition(node)], left, right)
        return np.where(known[node.feature], chosen, mean)

    found = np.broadcast_to(values(0), (rows.size, sets.size))
    # A matrix product would add in whatever order suits the processor, and alerts of the same claim
    # would differ in the last digit of a contribution.
    table: Matrix = np.add.reduce(found[:, :, None] * _weights(len(features)), axis=1)
    return table


@cache
def _weights(features: int) -> Matrix:
    """Shapley weights, shape (2 ** n_features, n_features): of each set's value for a feature."""
    sets = np.arange(2**features)
    sizes: Counts = np.array([int(s).bit_count() for s in sets], dtype=np.int64)
    weights = np.zeros((len(sets), features))
    for feature in range(features):
        holds = (sets >> feature & 1).astype(bool)
        others = sizes - holds
        share = np.array([1 / (features * comb(features - 1, int(n))) for n in others])
        weights[:, feature] = np.where(holds, share, -share)
    return weights
