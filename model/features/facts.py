"""The only path from claims to model columns: fields, and what is derived from them.

Nothing here exposes the calendar month or year of a claim, unless a contract asks for it: dates
become features only as differences between dates and as days of the week.
"""

import datetime as dt
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from model.arrays import Indices, Numbers
from model.features.expressions import Values, evaluate
from schemas.claim import Role
from schemas.columnar.claims import ColumnarClaims
from schemas.columnar.coded import Coded
from schemas.contract.model import Contract
from schemas.expressions.nodes import Kind

Column = list[Any] | Numbers
Columns = Mapping[str, Column]

UNDATED: Final = -1
_NAN: Final = float("nan")


class ClaimFacts:
    """Columns of the same claims, each made at most once.

    Args:
        contract: what the claims are.
        claims: of the type that the contract compiles to, or of another with the same fields; or
            their columns.
        more: columns of fields of kind *number* that the claims do not have themselves, by name;
            NaN is missing.
    """

    def __init__(
        self,
        contract: Contract,
        claims: Sequence[Any],
        more: Mapping[str, Numbers] = MappingProxyType({}),
    ) -> None:
        self.contract = contract
        self.claims = claims
        self.more = more
        self._raw: dict[str, list[Any]] = {}
        self._fields: dict[str, Values] = {**more}
        self._derived: dict[str, Values] = {}

    def __len__(self) -> int:
        return len(self.claims)

    def raw(self, name: str) -> list[Any]:
        """Values of a field as stored in the claims; None is missing."""
        if name not in self._raw:
            added = self.more.get(name)
            self._raw[name] = column(self.claims, name) if added is None else _stated(added)
        return self._raw[name]

    def column(self, name: str, kind: Kind) -> Values:
        """A derived fact, or a field, in the form of `model.features.expressions`."""
        if name in self.contract.derived:
            return self._fact(name)
        return self.field(name, kind)

    def features(self, names: Sequence[str]) -> dict[str, Column]:
        """Columns for a model, by name, each as long as the claims; the names must exist.

        A derived fact is an array of floats (NaN is missing), or a list if it is a text. A field is
        a list of the claims' values (None is missing), except that a date is the ordinal of its day
        and an identifier the number that its digits make.
        """
        found = self.codable(names)
        return {n: c.tolist() if isinstance(c, Coded) else c for n, c in found.items()}

    def codable(self, names: Sequence[str]) -> dict[str, Column | Coded]:
        """`features` for `ClaimEncoder.codes`, which encodes equal values of a batch once."""
        return {name: self._feature(name) for name in names}

    def know(self, name: str, values: Numbers) -> None:
        """Take the column of a field from whoever has read it; not of a text."""
        self._fields[name] = values

    def _feature(self, name: str) -> Column | Coded:
        if name in self.contract.derived:
            found = self._fact(name)
            return found.tolist() if self.contract.derived[name].kind == "text" else found
        if name in self.more:
            return self.more[name]
        field = self.contract.fields[name]
        if field.kind == "date":
            return self.field(name, "date")
        if field.role is Role.IDENTIFIER:
            return np.array([_digits(value) for value in self.raw(name)], dtype=np.float64)
        return self._stored(name) or self.raw(name)

    def _fact(self, name: str) -> Values:
        if name not in self._derived:
            order = list(self.contract.derived)
            before = frozenset(order[: order.index(name)])
            node = self.contract.derived[name].node
            self._derived[name] = evaluate(node, _Within(self, before))
        return self._derived[name]

    def field(self, name: str, kind: Kind) -> Values:
        """A field, in the form of `model.features.expressions`, whatever is derived by its name."""
        if name not in self._fields:
            stored = self._stored(name)
            if stored is None:
                self._fields[name] = _array(self.raw(name), kind)
            else:
                self._fields[name] = _array(stored.values, kind)[np.asarray(stored.at)]
        return self._fields[name]

    def _stored(self, name: str) -> Coded | None:
        """A field whose equal values are stored once."""
        if not isinstance(self.claims, ColumnarClaims):
            return None
        found = self.claims.column(name)
        return found if isinstance(found, Coded) else None


class _Within:
    """What names mean inside the expression of a derived fact: facts before it, and fields."""

    def __init__(self, facts: ClaimFacts, before: frozenset[str]) -> None:
        self._facts = facts
        self._before = before

    def __len__(self) -> int:
        return len(self._facts)

    def column(self, name: str, kind: Kind) -> Values:
        if name in self._before:
            return self._facts.column(name, kind)
        return self._facts.field(name, kind)


def claim_columns(
    contract: Contract, claims: Sequence[Any], names: Sequence[str]
) -> dict[str, Column]:
    """Columns of the claims, by name: see `ClaimFacts.features`.

    Raises:
        KeyError: there is no field and no derived fact of a name.
    """
    unknown = [n for n in names if n not in contract.fields and n not in contract.derived]
    if unknown:
        raise KeyError(f"neither a field nor a derived fact: {', '.join(unknown)}")
    return ClaimFacts(contract, claims).features(names)


def event_days(contract: Contract, claims: Sequence[Any]) -> Indices:
    """Day of each event, as an ordinal, shape (n_claims,); `UNDATED` where it is not stated.

    That is the day it happened, by the contract's ``x-event``, or else the day it was reported.
    """
    return _days(contract.event.occurred or contract.event.time, claims)


def report_days(contract: Contract, claims: Sequence[Any]) -> Indices:
    """Day each claim was reported, as an ordinal; `UNDATED` where it is not stated."""
    return _days(contract.event.time, claims)


def _days(name: str | None, claims: Sequence[Any]) -> Indices:
    if name is None:
        return np.full(len(claims), UNDATED)
    days = column(claims, name)
    return np.fromiter(
        (UNDATED if day is None else day.toordinal() for day in days), np.int64, len(claims)
    )


def column(claims: Sequence[Any], name: str) -> list[Any]:
    """Values of a field of every claim; None is missing."""
    if isinstance(claims, ColumnarClaims):
        return claims.values(name)
    return list(map(operator.attrgetter(name), claims))


def _array(values: Sequence[Any], kind: Kind) -> Values:
    if kind == "text":
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    if kind == "date":
        return ordinals(values)
    numbers: Numbers = np.array(values, dtype=np.float64)
    return numbers


def ordinals(days: Iterable[dt.date | None]) -> Numbers:
    """Ordinals of days; NaN is missing."""
    return np.array([_NAN if day is None else day.toordinal() for day in days], dtype=np.float64)


def _stated(values: Numbers) -> list[float | None]:
    """A column as claims would state it."""
    return [None if math.isnan(value) else value for value in values.tolist()]


def _digits(value: str | None) -> float:
    return float(value) if value is not None and value.isascii() and value.isdigit() else _NAN
