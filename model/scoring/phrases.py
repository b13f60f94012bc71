"""Facts of a claim in plain English, in the words of its contract."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from model.features.facts import ClaimFacts
from schemas.alert import CaseFact
from schemas.contract.model import Contract
from schemas.contract.phrases import render, shown

Value = str | float | bool | None


def phrase(contract: Contract, feature: str, value: Value) -> str:
    """Describe the claim's value of the feature; None is missing. Personal facts are withheld.

    A number that stands for a band is told in the band's words.
    """
    label = feature.replace("_", " ")
    if contract.is_withheld(feature):
        return f"{label} (not shown)"
    if value is None:
        return f"{label} not known"
    words, said = contract.band(feature, value), contract.phrase(feature)
    if said is None:
        return f"{label}: {shown(words or value)}"
    return render(said, value, words)


def case_facts(contract: Contract, claims: Sequence[Any]) -> list[tuple[CaseFact, ...]]:
    """The marked facts of each claim, in the order of the contract, without those that are missing.

    Args:
        contract: what the claims are; no personal or protected field can be marked in it.
        claims: those that a person is to look at.
    """
    if not claims or not contract.case_fields:
        return [()] * len(claims)
    facts = ClaimFacts(contract, claims)
    columns = [_column(facts, name) for name in contract.case_fields]
    return [tuple([fact for fact in row if fact is not None]) for row in zip(*columns, strict=True)]


def _column(facts: ClaimFacts, name: str) -> list[CaseFact | None]:
    """The fact of each claim; equal ones are made once."""
    values = _values(facts, name)
    made: dict[Value, CaseFact | None] = {
        value: CaseFact(name=name, text=phrase(facts.contract, name, value), value=value)
        for value in set(values)
    }
    made[None] = None
    return [made[value] for value in values]


def _values(facts: ClaimFacts, name: str) -> list[Value]:
    if name not in facts.contract.derived:
        return [v.isoformat() if isinstance(v, dt.date) else v for v in facts.raw(name)]
    found: list[Value] = np.asarray(facts.features([name])[name], dtype=object).tolist()
    kind = facts.contract.kind_of(name)
    return [_typed(value, kind) for value in found]


def _typed(value: Value, kind: str) -> Value:
    """A derived value as a field would have it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "date":
        return dt.date.fromordinal(int(value)).isoformat()
    return bool(value) if kind == "flag" else value
