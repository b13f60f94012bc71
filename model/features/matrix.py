"""The matrix of a batch of claims, read in few passes over them.

Values of one claim are next to each other in memory, those of one column are not. Where claims are
objects, all their texts are looked up in one pass, and all their numbers are read in another.
"""

import operator
from collections.abc import Sequence
from itertools import chain, cycle
from typing import Any

import numpy as np

from model.arrays import Matrix, Numbers
from model.features.encoder import ClaimEncoder
from model.features.facts import ClaimFacts
from schemas.claim import Role
from schemas.columnar.claims import ColumnarClaims
from schemas.contract.model import Contract


class MatrixReader:
    """Reads the matrix of a fitted encoder: to the last bit what it gives for the columns.

    Args:
        contract: what the claims are.
        encoder: fitted to claims of that contract.
    """

    def __init__(self, contract: Contract, encoder: ClaimEncoder) -> None:
        self._encoder = encoder
        vocabularies = encoder.vocabularies_
        plain = [
            name
            for name in encoder.features
            if name not in contract.derived and contract.fields[name].role is not Role.IDENTIFIER
        ]
        kind = {name: contract.fields[name].kind for name in plain}
        self._texts = [n for n in plain if kind[n] == "text" and n in vocabularies]
        self._tables = [vocabularies[name].table for name in self._texts]
        self._numbers = [n for n in plain if kind[n] != "text" and kind[n] != "date"]

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
        claims, read = facts.claims, {}
        if len(self._texts) > 1:
            found = map(operator.getitem, cycle(self._tables), _flat(claims, self._texts))
            codes = np.fromiter(found, np.float64, len(claims) * len(self._texts))
            read.update(zip(self._texts, _columns(codes, len(claims)), strict=True))
        if len(self._numbers) > 1:
            values = np.array(list(_flat(claims, self._numbers)), dtype=np.float64)
            for name, column in zip(self._numbers, _columns(values, len(claims)), strict=True):
                facts.know(name, column)
                read[name] = self._encoder.column(name, column)
        return read


def _flat(claims: Sequence[Any], names: Sequence[str]) -> chain[Any]:
    """The values of one claim after those of another."""
    return chain.from_iterable(map(operator.attrgetter(*names), claims))


def _columns(flat: Numbers, claims: int) -> Matrix:
    """Values in the order of `_flat`, in the order of columns."""
    return np.ascontiguousarray(flat.reshape(claims, -1).T)
