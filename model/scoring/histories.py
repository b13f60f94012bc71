"""Histories of claims as a model takes them: columns, and flags."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Final

import numpy as np

from model.arrays import Matrix, Numbers
from model.history.features import SUFFIXES, ClaimHistory, feature_name, names_of
from model.history.plan import HistoryPlan

_NOTHING: Final[Mapping[str, Numbers]] = MappingProxyType({})
_kinds: Final = attrgetter("kinds")


class HistoryColumns:
    """The history features of one model.

    Args:
        plan: how they were computed; None for a model without any.
        features: names of the model's columns, in order.

    Attributes:
        names: of the history features, in the order of a history's values.
    """

    def __init__(self, plan: HistoryPlan | None, features: Sequence[str]) -> None:
        self._plan = plan
        self._features = tuple(features)
        self.names = () if plan is None else names_of(plan.kinds)
        self._used = [(n, name) for n, name in enumerate(self.names) if name in {*features}]
        kinds = () if plan is None else plan.kinds
        self._kind_of = {
            feature_name(kind.kind, suffix): f"history_{kind.kind}"
            for kind in kinds
            for suffix in SUFFIXES
        }

    def flagged(self, expected: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Names of the model's columns as used in flags, and those whose absence is flagged.

        The history of a kind is missing as a whole: it has one flag, ``missing:history_KIND``.

        Args:
            expected: features that training claims rarely lacked.
        """
        names: list[str] = []
        kinds: set[str] = set()
        for name in self._features:
            kind = self._kind_of.get(name)
            if kind is None or kind in kinds or name not in expected:
                names.append(name)
            else:
                names.append(kind)
                kinds.add(kind)
        return tuple(names), expected - self._kind_of.keys() | kinds

    def columns(
        self, claims: int, histories: Sequence[ClaimHistory] | None
    ) -> Mapping[str, Numbers]:
        """The columns that the model uses, by name, each of shape (n_claims,).

        Args:
            claims: how many there are.
            histories: theirs.

        Raises:
            ValueError: there are histories and the model has no plan, or the other way round, or
                their claims or kinds differ in number.
        """
        if self._plan is None:
            if histories is not None:
                raise ValueError("the model was trained without history: it cannot score with it")
            return _NOTHING
        if histories is None:
            raise ValueError(
                "the model was trained with history and cannot score without it: missing history "
                "would be read as no earlier claims"
            )
        if len(histories) != claims:
            raise ValueError(f"{len(histories)} histories of {claims} claims")
        found = self._matrix(histories)
        return {name: found[n] for n, name in self._used}

    def _matrix(self, histories: Sequence[ClaimHistory]) -> Matrix:
        """All of them, shape (n_features, n_claims)."""
        kinds = list(chain.from_iterable(map(_kinds, histories)))
        width = len(self.names)
        if len(kinds) * len(SUFFIXES) != width * len(histories):
            raise ValueError("histories are not those of the kinds of the model")
        values = chain.from_iterable(kinds)
        flat = np.fromiter(values, np.float64, width * len(histories))
        return np.ascontiguousarray(flat.reshape(len(histories), width).T)


def marked(
    flags: Sequence[tuple[str, ...]], histories: Iterable[ClaimHistory]
) -> list[tuple[str, ...]]:
    """Flags on data quality, followed by those of the histories."""
    # Most histories have no flag, and claims of one sender share one object as their flags.
    return [
        (*own, *history.flags) if history.flags else own
        for own, history in zip(flags, histories, strict=True)
    ]
