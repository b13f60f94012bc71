"""Values of an expression for a batch of claims at once, as columns.

Numbers, dates (ordinals of their day) and flags (0 and 1) are floats in which NaN is missing, texts
are objects in which None is missing. `schemas.expressions.operations` says what missing does.
"""

import datetime as dt
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from model.arrays import Numbers
from schemas.expressions.nodes import Constant, Fact, Kind, Node, Operation
from schemas.expressions.spelling import clean

Values = npt.NDArray[Any]


class Facts(Protocol):
    """Columns of the claims that expressions use."""

    def __len__(self) -> int: ...
    def column(self, name: str, kind: Kind) -> Values:
        """Values of a fact in the form that this module describes, shape (n_claims,)."""


def evaluate(node: Node, facts: Facts) -> Values:
    """The value for each claim, shape (n_claims,)."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(_value(node, facts), (len(facts),))


def _value(node: Node, facts: Facts) -> Values:
    """The value for each claim, or one of shape () for all."""
    if isinstance(node, Constant):
        return np.array(node.value, dtype=object if node.kind == "text" else np.float64)
    if isinstance(node, Fact):
        return facts.column(node.name, node.kind)
    operands = [_value(operand, facts) for operand in node.operands]
    if node.operands[0].kind == "text":
        return _TEXTS[node.name](*operands)
    found = _NUMBERS[node.name](*operands)
    return np.where(np.isfinite(found), found, np.nan) if node.name in _UNBOUNDED else found


def holds(node: Node, facts: Facts) -> npt.NDArray[np.bool_]:
    """Where a flag is true, shape (n_claims,); where it is missing, it is not."""
    if isinstance(node, Operation) and node.name in _PLAIN and node.operands[0].kind != "text":
        # Missing values compare as false by themselves; most conditions are as simple as this.
        with np.errstate(all="ignore"):
            left, right = (_value(operand, facts) for operand in node.operands)
            return np.broadcast_to(_PLAIN[node.name](left, right), (len(facts),))
    found: npt.NDArray[np.bool_] = evaluate(node, facts) == 1
    return found


def _missing_in(*operands: Numbers) -> npt.NDArray[np.bool_]:
    return reduce(operator.or_, map(np.isnan, operands))


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[[Numbers, Numbers], Numbers]:
    return lambda left, right: np.where(_missing_in(left, right), np.nan, compare(left, right))


def _and(left: Numbers, right: Numbers) -> Numbers:
    unknown = np.where(_missing_in(left, right), np.nan, 1.0)
    return np.where((left == 0) | (right == 0), 0.0, unknown)


def _or(left: Numbers, right: Numbers) -> Numbers:
    return 1 - _and(1 - left, 1 - right)


def _in(item: Numbers, *choices: Numbers) -> Numbers:
    return reduce(_or, (_COMPARED["=="](item, choice) for choice in choices))


def _coalesce(*operands: Numbers) -> Numbers:
    return reduce(lambda first, other: np.where(np.isnan(first), other, first), operands)


def _year(days: Numbers) -> Numbers:
    missing = np.isnan(days)
    since_epoch = np.where(missing, 0, days - _EPOCH).astype("datetime64[D]")
    years = since_epoch.astype("datetime64[Y]").astype(np.float64) + 1970
    found: Numbers = np.where(missing, np.nan, years)
    return found


_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_PLAIN: Final = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
}
_UNBOUNDED: Final = frozenset("+-*/")
"""What can give a number too large to hold, or none."""
_COMPARED: Final = {
    "<": _compared(operator.lt),
    "<=": _compared(operator.le),
    ">": _compared(operator.gt),
    ">=": _compared(operator.ge),
    "==": _compared(operator.eq),
    "!=": _compared(operator.ne),
}

_NUMBERS: Final[Mapping[str, Callable[..., Numbers]]] = {
    **_COMPARED,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "negative": operator.neg,
    "and": _and,
    "or": _or,
    "not": lambda flag: 1 - flag,
    "in": _in,
    "abs": np.abs,
    "min": lambda *numbers: reduce(np.minimum, numbers),
    "max": lambda *numbers: reduce(np.maximum, numbers),
    "days_between": operator.sub,
    "weekday": lambda day: (day + 6) % 7,
    "year": _year,
    "missing": lambda value: np.isnan(value).astype(np.float64),
    "coalesce": _coalesce,
}


def _each(texts: Values, value: Callable[[str | None], float]) -> Numbers:
    """A number for each text, computed once for equal texts; None and blank texts are None."""
    listed = np.atleast_1d(texts).tolist()
    known = {text: value(clean(text)) for text in set(listed)}
    found = np.fromiter(map(known.__getitem__, listed), np.float64, len(listed))
    return found.reshape(texts.shape)


def _equal(left: Values, right: Values) -> Numbers:
    if right.ndim == 0:
        wanted = clean(right.item())
        return _each(left, lambda text: np.nan if text is None else float(text == wanted))
    if left.ndim == 0:
        return _equal(right, left)
    codes: dict[str, float] = {}

    def code(text: str | None) -> float:
        return np.nan if text is None else codes.setdefault(text, float(len(codes)))

    return _COMPARED["=="](_each(left, code), _each(right, code))


def _one_of(item: Values, *choices: Values) -> Numbers:
    return reduce(_or, (_equal(item, choice) for choice in choices))


def _absent(texts: Values) -> Numbers:
    return _each(texts, lambda text: float(text is None))


def _first_text(*operands: Values) -> Values:
    return reduce(lambda first, other: np.where(_absent(first) == 1, other, first), operands)


_TEXTS: Final[Mapping[str, Callable[..., Values]]] = {
    "==": _equal,
    "!=": lambda left, right: 1 - _equal(left, right),
    "in": _one_of,
    "missing": _absent,
    "coalesce": _first_text,
}
