"""Trees in LightGBM's text format for models, version 4."""

import sys
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from model.compiled.nodes import Leaf, Nodes, NodeSplit

# Bits of decision_type.
_CATEGORICAL: Final = 1
_MISSING_LEFT: Final = 2
_MISSING_IS_NAN: Final = 8
_WORD: Final = 32
_LARGEST: Final = sys.float_info.max


def model_text(trees: Sequence[Nodes], features: int) -> str:
    """A model with this many features whose raw score is the sum of the trees."""
    names = " ".join(f"f{i}" for i in range(features))
    header = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={features - 1}\nobjective=custom\n"
        f"feature_names={names}\nfeature_infos={' '.join(['none'] * features)}\n"
    )
    blocks = [f"Tree={i}\n{_tree_text(nodes)}\n\n" for i, nodes in enumerate(trees)]
    sizes = " ".join(str(len(block)) for block in blocks)
    return f"{header}tree_sizes={sizes}\n\n{''.join(blocks)}end of trees\n"


def _tree_text(nodes: Nodes) -> str:
    """One tree: splits and leaves are numbered separately; a leaf's reference is -1 - number."""
    splits = [(i, n) for i, n in enumerate(nodes) if isinstance(n, NodeSplit)]
    leaves = [(i, n) for i, n in enumerate(nodes) if isinstance(n, Leaf)]
    place = {i: k for k, (i, _) in enumerate(splits)}
    place |= {i: -1 - k for k, (i, _) in enumerate(leaves)}
    sets = [n.categories for _, n in splits if n.categories is not None]
    fields: dict[str, Iterable[object]] = {
        "num_leaves": [len(leaves)],
        "num_cat": [len(sets)],
    }
    if splits:
        fields |= _split_fields([n for _, n in splits], place, sets)
    fields |= {
        "leaf_value": [repr(n.value) for _, n in leaves],
        "leaf_weight": [n.rows for _, n in leaves],
        "leaf_count": [n.rows for _, n in leaves],
        "is_linear": [0],
        "shrinkage": [1],
    }
    return "".join(f"{k}={' '.join(map(str, v))}\n" for k, v in fields.items())


def _split_fields(
    splits: list[NodeSplit], place: dict[int, int], sets: list[tuple[int, ...]]
) -> dict[str, Iterable[object]]:
    zeros = [0] * len(splits)
    counts = [s.rows for s in splits]
    fields: dict[str, Iterable[object]] = {
        "split_feature": [s.feature for s in splits],
        "split_gain": zeros,
        "threshold": _thresholds(splits),
        "decision_type": [_decision(s) for s in splits],
        "left_child": [place[s.left] for s in splits],
        "right_child": [place[s.right] for s in splits],
        "internal_value": zeros,
        "internal_weight": counts,
        "internal_count": counts,
    }
    if sets:
        words = [_bitset(chosen) for chosen in sets]
        fields["cat_boundaries"] = np.cumsum([0, *map(len, words)]).tolist()
        fields["cat_threshold"] = [word for bitset in words for word in bitset]
    return fields


def _thresholds(splits: list[NodeSplit]) -> list[object]:
    """Thresholds; for a split by category, the number of its set."""
    found: list[object] = []
    sets = 0
    for split in splits:
        if split.categories is None:
            # An infinite threshold splits missing from everything else; so does the largest double.
            found.append(repr(min(max(split.threshold, -_LARGEST), _LARGEST)))
        else:
            found.append(sets)
            sets += 1
    return found


def _decision(split: NodeSplit) -> int:
    if split.categories is not None:
        return _CATEGORICAL | _MISSING_IS_NAN
    return _MISSING_IS_NAN | (_MISSING_LEFT if split.missing_left else 0)


def _bitset(members: tuple[int, ...]) -> list[int]:
    words = [0] * (max(members, default=0) // _WORD + 1)
    for member in members:
        words[member // _WORD] |= 1 << (member % _WORD)
    return words
