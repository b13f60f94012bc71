"""What an expression is made of: constants, facts of the claim, and operations on them."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["number", "flag", "date", "text"]
"""What a value is. A date is a day; a flag is true or false."""

MAX_LENGTH: Final = 2_000
MAX_NODES: Final = 300
MAX_DEPTH: Final = 40


class ExpressionError(ValueError):
    """An expression cannot be used.

    Attributes:
        column: where in its text, counted from 1.
    """

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


class Constant(Struct, frozen=True):
    """A value written in the expression: dates as ordinals of their day, flags as 0 and 1."""

    value: float | str
    kind: Kind
    column: int


class Fact(Struct, frozen=True):
    """A field of the claim, or a fact derived earlier."""

    name: str
    kind: Kind
    column: int


class Operation(Struct, frozen=True):
    """An operator or a function, and what it is applied to."""

    name: str
    operands: "tuple[Node, ...]"
    kind: Kind
    column: int


Node = Constant | Fact | Operation


def facts_of(node: Node) -> Iterator[Fact]:
    """Every fact that the expression uses, as often as it does."""
    return (leaf for leaf in _leaves(node) if isinstance(leaf, Fact))


def constants_of(node: Node) -> Iterator[Constant]:
    """Every value that is written in the expression, as often as it is."""
    return (leaf for leaf in _leaves(node) if isinstance(leaf, Constant))


def _leaves(node: Node) -> Iterator[Constant | Fact]:
    if not isinstance(node, Operation):
        yield node
        return
    for operand in node.operands:
        yield from _leaves(operand)
