"""Operators and functions: what they take, and what they give.

Missing values: arithmetic, comparisons and the functions of dates are missing where an operand is;
so is a quotient by zero, and a number too large to hold. `and`, `or` and `not` know three values:
`false and missing` is false, `true or missing` is true, anything else with missing is missing.
`x in (a, b)` is `x == a or x == b`. `missing(x)` is always true or false; `coalesce` gives its
first operand that is not missing. Texts are equal whatever their case and their blanks.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.expressions.nodes import ExpressionError, Kind, Node, Operation


class Signature(NamedTuple):
    """Kinds of the operands and of the result; the last operand may repeat up to `most`."""

    takes: tuple[Kind, ...]
    gives: Kind
    most: int = 0


SIGNATURES: Final[dict[str, Signature]] = {
    "+": Signature(("number", "number"), "number"),
    "-": Signature(("number", "number"), "number"),
    "*": Signature(("number", "number"), "number"),
    "/": Signature(("number", "number"), "number"),
    "negative": Signature(("number",), "number"),
    "and": Signature(("flag", "flag"), "flag"),
    "or": Signature(("flag", "flag"), "flag"),
    "not": Signature(("flag",), "flag"),
    "abs": Signature(("number",), "number"),
    "min": Signature(("number", "number"), "number", most=20),
    "max": Signature(("number", "number"), "number", most=20),
    "days_between": Signature(("date", "date"), "number"),
    "weekday": Signature(("date",), "number"),
    "year": Signature(("date",), "number"),
}
"""`days_between(later, earlier)`; `weekday` is 0 on a Monday and 6 on a Sunday."""

ORDERED: Final = frozenset({"<", "<=", ">", ">="})
COMPARISONS: Final = ORDERED | {"==", "!="}
LIKE_KINDS: Final = frozenset({"coalesce", "in"})
"""Operands are of the same kind, whichever it is."""
FUNCTIONS: Final = frozenset(
    {
        *("abs", "min", "max", "days_between", "weekday", "year"),
        *("coalesce", "missing", "days_since"),
    }
)
"""`days_since(day)` counts from that day to the claim's own time."""


def operation(name: str, operands: Sequence[Node], column: int) -> Operation:
    """An operation on operands of the right kinds.

    Raises:
        ExpressionError: their number or their kinds are wrong.
    """
    if name in COMPARISONS:
        return _comparison(name, operands, column)
    if name in LIKE_KINDS:
        return _like(name, operands, column)
    if name == "missing":
        _count(name, operands, 1, 1, column)
        return Operation(name, tuple(operands), "flag", column)
    takes, gives, most = SIGNATURES[name]
    _count(name, operands, len(takes), most or len(takes), column)
    for place, operand in enumerate(operands):
        _expect(takes[min(place, len(takes) - 1)], operand, name)
    return Operation(name, tuple(operands), gives, column)


def _comparison(name: str, operands: Sequence[Node], column: int) -> Operation:
    left, right = operands
    _same(left, right, name)
    if left.kind in ("text", "flag") and name in ORDERED:
        raise ExpressionError(column, f"a {left.kind} can only be compared with == or !=")
    return Operation(name, (left, right), "flag", column)


def _like(name: str, operands: Sequence[Node], column: int) -> Operation:
    _count(name, operands, 2, 200, column)
    for other in operands[1:]:
        _same(operands[0], other, name)
    kind: Kind = "flag" if name == "in" else operands[0].kind
    return Operation(name, tuple(operands), kind, column)


def _same(left: Node, right: Node, name: str) -> None:
    if left.kind != right.kind:
        raise ExpressionError(
            right.column, f"{name} of a {left.kind} and a {right.kind}: both must be of one kind"
        )


def _expect(kind: Kind, operand: Node, name: str) -> None:
    if operand.kind != kind:
        hint = ": use days_between" if (name, operand.kind) == ("-", "date") else ""
        raise ExpressionError(
            operand.column, f"{name} needs a {kind}, and this is a {operand.kind}{hint}"
        )


def _count(name: str, operands: Sequence[Node], least: int, most: int, column: int) -> None:
    if not least <= len(operands) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ExpressionError(column, f"{name} takes {wanted} operands, not {len(operands)}")
