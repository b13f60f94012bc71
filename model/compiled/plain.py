"""A fitted pipeline as plain data: what an artifact's ``model.json`` contains.

Numbers and texts only, every number at full precision. Reading it means parsing JSON and checking
its form: no code from the file runs, and no library that trained the model is imported.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from model.compiled.classifier import AfterSteps, Compiled, MatrixStep
from model.compiled.crosses import CompiledCrosses
from model.compiled.nodes import Leaf, Nodes, NodeSplit
from model.compiled.trees import CompiledTrees
from model.families.steps import CrossedCells, Mask, Rates
from model.features.encoding import Encoding
from model.features.vocabulary import Vocabulary

LEAF: Final = -1
"""In place of a leaf's feature."""


class PlainVocabulary(Struct, frozen=True, kw_only=True):
    """The categories of one column."""

    categories: tuple[str, ...]
    """In the order of their codes."""
    spellings: dict[str, float | None]
    """The code of each spelling seen in training; None if it means missing."""


class PlainEncoder(Struct, frozen=True, kw_only=True):
    """What was learnt about the columns; see `Encoding`."""

    features: tuple[str, ...]
    vocabularies: dict[str, PlainVocabulary]

    def encoding(self) -> Encoding:
        """The encoding, ready for claims."""
        known = {
            name: Vocabulary.known(one.categories, one.spellings)
            for name, one in self.vocabularies.items()
        }
        return Encoding(self.features, known)


class PlainRates(Struct, frozen=True, kw_only=True):
    """Shares of fraud in place of codes; see `Rates`."""

    columns: tuple[int, ...]
    tables: tuple[tuple[float, ...], ...]

    def step(self) -> Rates:
        """The step, ready for a matrix."""
        return Rates(self.columns, [np.array(table, dtype=np.float64) for table in self.tables])


class PlainTree(Struct, frozen=True, kw_only=True):
    """The nodes of one tree, the root first, every other node after its parent.

    Every field but the last has one entry per node.
    """

    feature: tuple[int, ...]
    """`LEAF` for a leaf."""
    value: tuple[float, ...]
    """The value of a leaf, or the threshold of a split by number."""
    left: tuple[int, ...]
    """The node for rows at or below the threshold; 0 for a leaf."""
    right: tuple[int, ...]
    rows: tuple[int, ...]
    """Training rows that reached it."""
    missing_left: tuple[bool, ...]
    categories: dict[int, tuple[int, ...]]
    """The categories that go left, by node that splits by category."""

    def nodes(self, features: int) -> Nodes:
        """The same as `Nodes`.

        Raises:
            ValueError: they do not form a tree over that many features.
        """
        columns = zip(
            self.feature, self.left, self.right, self.rows, self.missing_left, self.value,
            strict=True,
        )  # fmt: skip
        found: Nodes = [
            Leaf(value, rows)
            if feature == LEAF
            else NodeSplit(
                feature, left, right, rows, missing_left, value, self.categories.get(number)
            )
            for number, (feature, left, right, rows, missing_left, value) in enumerate(columns)
        ]
        _refuse_no_tree(found, features)
        return found


class PlainTrees(Struct, frozen=True, kw_only=True, tag="trees"):
    """A boosting or a forest; see `CompiledTrees`."""

    trees: tuple[PlainTree, ...]
    offsets: tuple[float, ...]
    mean: bool = False
    single: bool = False

    @property
    def features(self) -> int:
        """Number of columns of the matrix of claims."""
        return len(self.offsets)

    def compiled(self) -> CompiledTrees:
        """The trees, ready to score.

        Raises:
            ValueError: there is no tree, or one of them is not a tree.
        """
        if not self.trees:
            raise ValueError("a model of trees has no tree")
        offsets = np.array(self.offsets, dtype=np.float64)
        nodes = [tree.nodes(self.features) for tree in self.trees]
        return CompiledTrees(nodes, offsets, mean=self.mean, single=self.single)


class PlainCrosses(Struct, frozen=True, kw_only=True, tag="crosses"):
    """A logistic regression over cells and pairs of cells; see `CompiledCrosses`."""

    categorical: tuple[bool, ...]
    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    pairs: tuple[tuple[int, int], ...]
    intercept: float
    weights: tuple[float, ...]

    @property
    def features(self) -> int:
        """Number of columns of the matrix of claims."""
        return len(self.edges)

    def compiled(self) -> CompiledCrosses:
        """The regression, ready to score.

        Raises:
            ValueError: its parts differ in length.
        """
        cells = CrossedCells(
            self.categorical,
            [np.array(edges, dtype=np.float64) for edges in self.edges],
            [np.array(shares, dtype=np.float64) for shares in self.shares],
            np.array(self.pairs, dtype=np.int64).reshape(-1, 2),
        )
        return CompiledCrosses(cells, self.intercept, np.array(self.weights, dtype=np.float64))


class PlainClassifier(Struct, frozen=True, kw_only=True):
    """Turns encoded claims into probabilities."""

    scores: PlainTrees | PlainCrosses
    rates: PlainRates | None = None
    """Applied first."""
    masked: tuple[int, ...] = ()
    """Columns that are zero in every claim."""

    def compiled(self) -> Compiled:
        """The classifier, ready to score.

        Raises:
            ValueError: its parts do not fit together.
        """
        steps: list[MatrixStep] = [] if self.rates is None else [self.rates.step()]
        if self.masked:
            dropped = np.zeros(self.scores.features, dtype=bool)
            dropped[list(self.masked)] = True
            steps.append(Mask(dropped))
        scores = self.scores.compiled()
        return AfterSteps(steps, scores) if steps else scores


class PlainPipeline(Struct, frozen=True, kw_only=True):
    """From columns of claims to probabilities."""

    encode: PlainEncoder
    classify: PlainClassifier

    def compiled(self) -> Compiled:
        """Its classifier, ready to score.

        Raises:
            ValueError: its parts do not fit together.
        """
        given, seen = len(self.encode.features), self.classify.scores.features
        if given != seen:
            raise ValueError(f"the classifier has {seen} features, not {given}")
        return self.classify.compiled()


def encoded(plain: PlainPipeline) -> bytes:
    """The file's content.

    Raises:
        msgspec.ValidationError: it contains a number that is not finite, which JSON cannot express.
    """
    content = msgspec.json.encode(plain)
    msgspec.json.decode(content, type=PlainPipeline)
    return content


def _refuse_no_tree(nodes: Nodes, features: int) -> None:
    splits: Mapping[int, NodeSplit] = {
        number: node for number, node in enumerate(nodes) if isinstance(node, NodeSplit)
    }
    children = [child for node in splits.values() for child in (node.left, node.right)]
    if sorted(children) != list(range(1, len(nodes))):
        raise ValueError("nodes of a tree are not those of one tree")
    if any(number >= min(node.left, node.right) for number, node in splits.items()):
        raise ValueError("a node of a tree stands before its parent")
    if not all(0 <= node.feature < features for node in splits.values()):
        raise ValueError(f"a tree splits by a feature that is not among {features}")
