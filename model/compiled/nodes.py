"""The nodes of fitted scikit-learn trees, in the same form for boosting and for forests."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from model.arrays import Numbers

_WORD: Final = 32


class NodeSplit(NamedTuple):
    """A node that sends a row left or right."""

    feature: int
    left: int
    right: int
    rows: int
    missing_left: bool
    threshold: float = 0.0
    categories: tuple[int, ...] | None = None
    """Categories that go left, while everything else goes right; None for a split by number."""


class Leaf(NamedTuple):
    """A node that ends a path."""

    value: float
    rows: int


Nodes = Sequence[NodeSplit | Leaf]
"""Nodes of one tree; the first is the root."""


def boosted(classifier: Any) -> list[Nodes]:
    """Trees of a fitted binary ``HistGradientBoostingClassifier``; their sum is the log-odds.

    The first is the constant that boosting starts from. Categories are in terms of the input plus
    `category_offsets`.
    """
    _refuse_many_classes(classifier)
    columns = _original_columns(classifier)
    codes = {c: k + max(0, -np.nanmin(k)) for c, k in _categories(classifier).items()}
    start = [Leaf(float(classifier._baseline_prediction.item()), 1)]
    return [start, *(_boosted(stage[0], columns, codes) for stage in classifier._predictors)]


def category_offsets(classifier: Any) -> Numbers:
    """Offsets to add to the input, shape (n_features,), so that no learnt category is negative."""
    offsets = np.zeros(classifier.n_features_in_)
    for column, codes in _categories(classifier).items():
        offsets[column] = max(0, -np.nanmin(codes))
    return offsets


def grown(classifier: Any) -> list[Nodes]:
    """Trees of a fitted binary ``RandomForestClassifier``; their mean is the probability."""
    _refuse_many_classes(classifier)
    return [_grown(tree.tree_) for tree in classifier.estimators_]


def _refuse_many_classes(classifier: Any) -> None:
    if len(classifier.classes_) != 2:
        raise ValueError(f"only trees of two classes are supported, not {len(classifier.classes_)}")


def _categories(classifier: Any) -> dict[int, Numbers]:
    """By categorical column of the input: the input's value for each of the trees' codes."""
    if classifier.is_categorical_ is None:
        return {}
    encoder = classifier._preprocessor.named_transformers_["encoder"]
    given = np.flatnonzero(classifier._preprocessor.transformers_[0][2])
    return dict(zip(given.tolist(), encoder.categories_, strict=True))


def _original_columns(classifier: Any) -> list[int]:
    """Input column for each of the trees' columns, categorical ones first."""
    categorical = [*_categories(classifier)]
    others = [c for c in range(classifier.n_features_in_) if c not in categorical]
    return categorical + others


def _boosted(predictor: Any, columns: list[int], codes: dict[int, Numbers]) -> Nodes:
    bitsets = predictor.raw_left_cat_bitsets
    return [_boosted_node(node, columns, codes, bitsets) for node in predictor.nodes]


def _boosted_node(
    node: Any, columns: list[int], codes: dict[int, Numbers], bitsets: npt.NDArray[np.uint32]
) -> NodeSplit | Leaf:
    rows = int(node["count"])
    if node["is_leaf"]:
        return Leaf(float(node["value"]), rows)
    column, missing_left = columns[node["feature_idx"]], bool(node["missing_go_to_left"])
    left, right = int(node["left"]), int(node["right"])
    if not node["is_categorical"]:
        return NodeSplit(column, left, right, rows, missing_left, float(node["num_threshold"]))
    known = codes[column]
    goes_left = _in_bitset(bitsets[node["bitset_idx"]], len(known))
    if missing_left:
        # In a `NodeSplit`, whatever is in no set goes right: swap the sides.
        left, right, goes_left = right, left, ~goes_left
    chosen = tuple(int(c) for c in known[goes_left] if not np.isnan(c))
    return NodeSplit(column, left, right, rows, missing_left=False, categories=chosen)


def _in_bitset(words: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.bool_]:
    places = np.arange(count)
    return ((words[places // _WORD] >> (places % _WORD)) & 1).astype(bool)


def _grown(tree: Any) -> Nodes:
    return [_grown_node(tree, i) for i in range(tree.node_count)]


def _grown_node(tree: Any, i: int) -> NodeSplit | Leaf:
    # Bootstrapped rows count as often as they were drawn.
    rows = round(tree.weighted_n_node_samples[i])
    left, right = int(tree.children_left[i]), int(tree.children_right[i])
    if left == right:
        return Leaf(float(tree.value[i, 0, 1]), rows)
    missing_left = bool(tree.missing_go_to_left[i])
    return NodeSplit(
        int(tree.feature[i]), left, right, rows, missing_left, float(tree.threshold[i])
    )
