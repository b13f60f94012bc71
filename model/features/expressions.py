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
from model.features.vocabulary import clean
from schemas.expressions.nodes import Constant, Fact, Kind, Node

Values = npt.NDArray[Any]


class Facts(Protocol):
    """Columns of the claims that expressions use."""

    def __len__(self) -> int: ...
    def column(self, name: str, kind: Kind) -> Values:
        """Values of a fact in the form that this module describes, shape (n_claims,)."""


def evaluate(node: Node, facts: Facts) -> Values:
    """The value for each claim, shape (n_claims,)."""
    if isinstance(node, Constant):
        kept: type = object if node.kind == "text" else np.float64
        return np.full(len(facts), node.value, dtype=kept)
    if isinstance(node, Fact):
        return facts.column(node.name, node.kind)
    operands = [evaluate(operand, facts) for operand in node.operands]
    if node.operands[0].kind == "text":
        return _TEXTS[node.name](*operands)
    with np.errstate(all="ignore"):
        found = _NUMBERS[node.name](*operands)
    return np.where(np.isfinite(found), found, np.nan)


def holds(node: Node, facts: Facts) -> npt.NDArray[np.bool_]:
    """Where a flag is true, shape (n_claims,); where it is missing, it is not."""
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
    distinct, places = np.unique(days, return_inverse=True)
    years = [np.nan if np.isnan(d) else dt.date.fromordinal(int(d)).year for d in distinct.tolist()]
    found: Numbers = np.array(years, dtype=np.float64)[places]
    return found


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


def _absent(texts: Values) -> npt.NDArray[np.bool_]:
    return np.array([text is None for text in texts.tolist()], dtype=bool)


def _cleaned(texts: Values) -> Values:
    known = {text: clean(text) for text in set(texts.tolist())}
    found = np.empty(len(texts), dtype=object)
    found[:] = [known[text] for text in texts.tolist()]
    return found


def _equal(left: Values, right: Values) -> Numbers:
    a, b = _cleaned(left), _cleaned(right)
    return np.where(_absent(a) | _absent(b), np.nan, np.equal(a, b).astype(np.float64))


def _one_of(item: Values, *choices: Values) -> Numbers:
    return reduce(_or, (_equal(item, choice) for choice in choices))


def _first_text(*operands: Values) -> Values:
    return reduce(lambda first, other: np.where(_absent(_cleaned(first)), other, first), operands)


_TEXTS: Final[Mapping[str, Callable[..., Values]]] = {
    "==": _equal,
    "!=": lambda left, right: 1 - _equal(left, right),
    "in": _one_of,
    "missing": lambda text: _absent(_cleaned(text)).astype(np.float64),
    "coalesce": _first_text,
}
