"""The value of an expression for one claim; `schemas.expressions.operations` says what it is.

Batches are evaluated as columns by the model; this is for single claims, where speed is no matter.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schemas.expressions.nodes import Constant, Fact, Node
from schemas.expressions.spelling import clean


def value_for(node: Node, facts: Mapping[str, Any]) -> Any:
    """The value: a number, a flag, a date or a text; None is missing.

    Args:
        node: the expression.
        facts: by name, those that it uses; None is missing.
    """
    if isinstance(node, Constant):
        if node.kind == "date":
            return dt.date.fromordinal(int(node.value))
        return bool(node.value) if node.kind == "flag" else node.value
    if isinstance(node, Fact):
        return facts[node.name]
    values = [value_for(operand, facts) for operand in node.operands]
    if node.operands[0].kind == "text" and node.name != "coalesce":
        values = [clean(value) for value in values]
    return _of_operation(node.name, values)


def _of_operation(name: str, values: Sequence[Any]) -> Any:
    if name in _OF_MISSING:
        return _OF_MISSING[name](values)
    if None in values:
        return None
    try:
        found = _SIMPLE[name](*values)
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(found, float) and not math.isfinite(found) else found


def _and(values: Sequence[Any]) -> bool | None:
    return False if False in values else None if None in values else True


def _or(values: Sequence[Any]) -> bool | None:
    return True if True in values else None if None in values else False


def _in(values: Sequence[Any]) -> bool | None:
    item, *choices = values
    return _or([_of_operation("==", [item, choice]) for choice in choices])


_OF_MISSING: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "missing": lambda values: values[0] is None,
    "coalesce": lambda values: next((v for v in values if clean(v) is not None), None),
    "and": _and,
    "or": _or,
    "in": _in,
}
"""Operations that may have a value where an operand is missing."""

_SIMPLE: Final[Mapping[str, Callable[..., Any]]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "negative": lambda x: -x,
    "not": lambda x: not x,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "abs": abs,
    "min": min,
    "max": max,
    "days_between": lambda later, earlier: (later - earlier).days,
    "weekday": dt.date.weekday,
    "year": lambda day: day.year,
}
