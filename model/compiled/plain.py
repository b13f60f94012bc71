"""A fitted pipeline as plain data: what an artifact's ``model.json`` contains.

Numbers and texts only, every number at full precision. To read it is to parse JSON and check its
form: no code of the file's runs, and none of the libraries that trained the model is imported.
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
    """The code of each spelling seen in training; None if it says missing."""


class PlainEncoder(Struct, frozen=True, kw_only=True):
    """What was learnt of the columns; see `Encoding`."""

    features: tuple[str, ...]
    vocabularies: dict[str, PlainVocabulary]

    def encoding(self) -> Encoding:
        """It as it encodes claims."""
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
        """It as it changes a matrix."""
        return Rates(self.columns, [np.array(table, dtype=np.float64) for table in self.tables])


class PlainTree(Struct, frozen=True, kw_only=True):
    """The nodes of one tree, the root first, every other one after its parent.

    Each field but the last has one entry for each node.
    """

    feature: tuple[int, ...]
    """`LEAF` of a leaf."""
    value: tuple[float, ...]
    """Of a leaf; of a split by number, the threshold."""
    left: tuple[int, ...]
    """The node of rows with at most the threshold; 0 of a leaf."""
    right: tuple[int, ...]
    rows: tuple[int, ...]
    """Training rows that reached it."""
    missing_left: tuple[bool, ...]
    categories: dict[int, tuple[int, ...]]
    """By node that splits by category: those that go left."""

    def nodes(self, features: int) -> Nodes:
        """The same as nodes.

        Raises:
            ValueError: they are no tree over that many features.
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
        """It as it scores.

        Raises:
            ValueError: there is no tree, or one is none.
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
        """It as it scores.

        Raises:
            ValueError: parts of it are not of one length.
        """
        cells = CrossedCells(
            self.categorical,
            [np.array(edges, dtype=np.float64) for edges in self.edges],
            [np.array(shares, dtype=np.float64) for shares in self.shares],
            np.array(self.pairs, dtype=np.int64).reshape(-1, 2),
        )
        return CompiledCrosses(cells, self.intercept, np.array(self.weights, dtype=np.float64))


class PlainClassifier(Struct, frozen=True, kw_only=True):
    """What makes probabilities of encoded claims."""

    scores: PlainTrees | PlainCrosses
    rates: PlainRates | None = None
    """Applied first."""
    masked: tuple[int, ...] = ()
    """Columns that are zero in every claim."""

    def compiled(self) -> Compiled:
        """It as it scores.

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
        """Its classifier as it scores.

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
        msgspec.ValidationError: it contains a number that is not finite, which JSON cannot say.
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
