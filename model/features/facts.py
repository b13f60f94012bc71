"""Facts of claims of any contract, as columns: fields, and what is derived from them."""

import operator
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.arrays import Numbers
from model.features.columns import Column
from model.features.expressions import Values, evaluate
from schemas.claim import Role
from schemas.contract.model import Contract
from schemas.expressions.nodes import Kind

_NAN: Final = float("nan")


class ContractFacts:
    """Columns of the same claims, each made at most once.

    Args:
        contract: what the claims are.
        claims: of the type that the contract compiles to.
    """

    def __init__(self, contract: Contract, claims: Sequence[Any]) -> None:
        self._contract = contract
        self._claims = claims
        self._raw: dict[str, list[Any]] = {}
        self._fields: dict[str, Values] = {}
        self._derived: dict[str, Values] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def raw(self, name: str) -> list[Any]:
        """Values of a field as stored in the claims; None is missing."""
        if name not in self._raw:
            self._raw[name] = list(map(operator.attrgetter(name), self._claims))
        return self._raw[name]

    def column(self, name: str, kind: Kind) -> Values:
        """A derived fact, or a field, in the form of `model.features.expressions`."""
        if name in self._contract.derived:
            return self._fact(name)
        return self.field(name, kind)

    def features(self, names: Sequence[str]) -> dict[str, Column]:
        """Columns for a model, by name, each as long as the claims.

        A derived fact is an array of floats (NaN is missing), or a list if it is a text. A field is
        a list of the claims' values (None is missing), except that a date is the ordinal of its day
        and an identifier the number that its digits make.

        Raises:
            KeyError: there is no field and no derived fact of a name.
        """
        known = {*self._contract.fields, *self._contract.derived}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise KeyError(f"neither a field nor a derived fact: {', '.join(unknown)}")
        return {name: self._feature(name) for name in names}

    def _feature(self, name: str) -> Column:
        if name in self._contract.derived:
            found = self._fact(name)
            return found.tolist() if self._contract.derived[name].kind == "text" else found
        field = self._contract.fields[name]
        if field.kind == "date":
            return self.field(name, "date")
        if field.role is Role.IDENTIFIER:
            return np.array([_digits(value) for value in self.raw(name)], dtype=np.float64)
        return self.raw(name)

    def _fact(self, name: str) -> Values:
        if name not in self._derived:
            order = list(self._contract.derived)
            before = frozenset(order[: order.index(name)])
            node = self._contract.derived[name].node
            self._derived[name] = evaluate(node, _Within(self, before))
        return self._derived[name]

    def field(self, name: str, kind: Kind) -> Values:
        """A field, in the form of `model.features.expressions`, whatever is derived by its name."""
        if name not in self._fields:
            self._fields[name] = _array(self.raw(name), kind)
        return self._fields[name]


class _Within:
    """What names mean inside the expression of a derived fact: facts before it, and fields."""

    def __init__(self, facts: ContractFacts, before: frozenset[str]) -> None:
        self._facts = facts
        self._before = before

    def __len__(self) -> int:
        return len(self._facts)

    def column(self, name: str, kind: Kind) -> Values:
        if name in self._before:
            return self._facts.column(name, kind)
        return self._facts.field(name, kind)


def _array(values: Sequence[Any], kind: Kind) -> Values:
    if kind == "text":
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    if kind == "date":
        values = [_NAN if day is None else day.toordinal() for day in values]
    numbers: Numbers = np.array(values, dtype=np.float64)
    return numbers


def _digits(value: str | None) -> float:
    return float(value) if value is not None and value.isascii() and value.isdigit() else _NAN
