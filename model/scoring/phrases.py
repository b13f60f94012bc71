"""Facts of a claim in plain English, in the words of its contract."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.features.facts import ClaimFacts
from schemas.alert import CaseFact
from schemas.contract.model import Contract
from schemas.contract.phrases import MONEY, render, shown

FeatureValue = str | float | bool | None

_REMEMBERED: Final = 2_000
"""Most facts remembered of one name; beyond that, all are dropped and made again."""


def phrase(contract: Contract, feature: str, value: FeatureValue) -> str:
    """Describe the claim's value of the feature; None is missing. Personal facts are withheld.

    A number that denotes a band is given in the band's words; any other is rounded.
    """
    label = contract.called(feature)
    if contract.is_withheld(feature):
        return f"{label} (not shown)"
    if value is None:
        return f"{label} not known"
    words, said = contract.band(feature, value), contract.phrase(feature)
    money = contract.unit(feature) == MONEY
    if said is None:
        return f"{label}: {shown(words or value, money=money)}"
    return render(said, value, words, money=money)


class CaseFacts:
    """The facts of claims that a contract marks; equal ones are made once.

    Args:
        contract: what the claims are; no personal or protected field can be marked in it.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._known = {name: _Known(contract, name) for name in contract.case_fields}

    def of(self, claims: Sequence[Any]) -> list[tuple[CaseFact, ...]]:
        """The facts of each claim, in the order of the contract, without missing ones.

        Args:
            claims: those that a person will look at.
        """
        if not claims or not self._known:
            return [()] * len(claims)
        facts = ClaimFacts(self._contract, claims)
        columns = [
            map(known.__getitem__, stated(facts, name)) for name, known in self._known.items()
        ]
        return [tuple(filter(None, row)) for row in zip(*columns, strict=True)]


class _Known(dict[Any, CaseFact | None]):
    """Facts of one name, by the claim's value; None where it is missing."""

    def __init__(self, contract: Contract, name: str) -> None:
        self._contract, self._name = contract, name

    def __missing__(self, value: Any) -> CaseFact | None:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = None if value is None else self._made(value)
        return self[value]

    def _made(self, value: Any) -> CaseFact:
        plain = value.isoformat() if isinstance(value, dt.date) else value
        if isinstance(plain, float):
            plain += 0.0  # -0.0 is found where 0.0 is
        text = phrase(self._contract, self._name, plain)
        return CaseFact(name=self._name, text=text, value=plain)


def stated(facts: ClaimFacts, name: str) -> list[Any]:
    """A derived fact, or a field, of each claim, as shown to people; None is missing."""
    if name not in facts.contract.derived:
        return facts.raw(name)
    found: list[FeatureValue] = np.asarray(facts.features([name])[name], dtype=object).tolist()
    kind = facts.contract.kind_of(name)
    return [_typed(value, kind) for value in found]


def stated_in(facts: ClaimFacts, name: str, row: int) -> Any:
    """`stated` for one claim, without making the whole column."""
    contract = facts.contract
    if name not in contract.derived:
        return getattr(facts.claims[row], name)
    kind = contract.kind_of(name)
    value = facts.column(name, kind)[row]
    return _typed(value.item() if isinstance(value, np.generic) else value, kind)


def _typed(value: FeatureValue, kind: str) -> FeatureValue:
    """A derived value as a field would have it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "date":
        return dt.date.fromordinal(int(value)).isoformat()
    return bool(value) if kind == "flag" else value
