"""The matrix of a batch of claims, read in few passes over them.

Values of one claim are next to each other in memory, those of one column are not. Where claims are
objects, one pass over them looks up all their texts, one reads their numbers and one their dates.
"""

import operator
from collections.abc import Collection, Sequence
from itertools import chain, cycle
from typing import Any

import numpy as np

from model.arrays import Matrix, Numbers
from model.features.encoding import Encoding
from model.features.facts import ClaimFacts, ordinals
from schemas.claim import Role
from schemas.columnar.claims import ColumnarClaims
from schemas.contract.model import Contract
from schemas.expressions.nodes import facts_of


class MatrixReader:
    """Reads the matrix of an encoding: to the last bit what it gives for the columns.

    Args:
        contract: what the claims are.
        encoder: learnt from claims of that contract.
        more: names of the fields that come as columns; see `ClaimFacts`.
    """

    def __init__(self, contract: Contract, encoder: Encoding, more: Collection[str] = ()) -> None:
        self._encoder = encoder
        vocabularies = encoder.vocabularies_
        plain = [
            name
            for name in encoder.features
            if name not in contract.derived
            and name not in more
            and contract.fields[name].role is not Role.IDENTIFIER
        ]
        kind = {name: contract.fields[name].kind for name in plain}
        self._texts = [n for n in plain if kind[n] == "text" and n in vocabularies]
        self._tables = [vocabularies[name].table for name in self._texts]
        self._numbers = [n for n in plain if kind[n] != "text" and kind[n] != "date"]
        self._dates = _dates(contract, encoder.features)

    def matrix(self, facts: ClaimFacts) -> Matrix:
        """One row for each claim, shape (n_claims, n_features)."""
        features, read = self._encoder.features, {}
        if len(facts) and not isinstance(facts.claims, ColumnarClaims):
            read = self._in_passes(facts)
        others = facts.codable([name for name in features if name not in read])
        columns = [
            read[name] if name in read else self._encoder.column(name, others[name])
            for name in features
        ]
        return np.array(columns, dtype=np.float64).T

    def _in_passes(self, facts: ClaimFacts) -> dict[str, Numbers]:
        """Encoded columns of plain texts and numbers, by name."""
        claims = facts.claims
        read: dict[str, Numbers] = {}
        if len(self._texts) > 1:
            found = map(operator.getitem, cycle(self._tables), _flat(claims, self._texts))
            codes = np.fromiter(found, np.float64, len(claims) * len(self._texts))
            read.update(zip(self._texts, _columns(codes, len(claims)), strict=True))
        if len(self._numbers) > 1:
            flat = _flat(claims, self._numbers)
            values = np.fromiter(flat, np.float64, len(claims) * len(self._numbers))
            for name, column in zip(self._numbers, _columns(values, len(claims)), strict=True):
                facts.know(name, column)
                read[name] = self._encoder.column(name, column)
        if len(self._dates) > 1:
            days = ordinals(_flat(claims, self._dates))
            for name, column in zip(self._dates, _columns(days, len(claims)), strict=True):
                facts.know(name, column)
        return read


def _dates(contract: Contract, features: Sequence[str]) -> list[str]:
    """Fields that are dates, and that these features are or are derived from."""
    needed = set(features)
    for name, fact in reversed(list(contract.derived.items())):
        if name in needed:
            needed.update(used.name for used in facts_of(fact.node))
    return [
        name for name, field in contract.fields.items() if name in needed and field.kind == "date"
    ]


def _flat(claims: Sequence[Any], names: Sequence[str]) -> chain[Any]:
    """The values of one claim after those of another."""
    return chain.from_iterable(map(operator.attrgetter(*names), claims))


def _columns(flat: Numbers, claims: int) -> Matrix:
    """Values in the order of `_flat`, in the order of columns."""
    return np.ascontiguousarray(flat.reshape(claims, -1).T)
