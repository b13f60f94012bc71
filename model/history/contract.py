"""The contract of claims with history: their own contract, plus a field for each feature.

What senders send does not change: the contract's document (`Contract.to_json`) stays as it is, and
the fields are filled from what is remembered.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Final

import msgspec

from model.history.features import (
    SUFFIXES,
    ClaimHistory,
    EntityFeatures,
    feature_name,
    names_of,
)
from model.history.plan import EntityKind
from schemas.claim import Role
from schemas.contract.declared import Cases, Declared, Phrase
from schemas.contract.model import MAX_NUMBER, Contract, Field

_PHRASES: Final[Mapping[str, Phrase]] = {
    "claims_30d": "{} other {claim|claims} with the same KIND in 30 days",
    "claims_90d": "{} other {claim|claims} with the same KIND in 90 days",
    "claims_365d": "{} other {claim|claims} with the same KIND in a year",
    "policies": "the KIND stands in earlier claims on {} {policy|policies}",
    "days_since": Cases(positive="latest claim with the same KIND {} {day|days} before"),
    "decided": "outcome known of {} earlier {claim|claims} with the same KIND",
    "frauds": "{} earlier {claim|claims} with the same KIND {was|were} found to be fraud",
    "fraud_rate": "{:.0%} of the decided claims with the same KIND were fraud",
}
"""By the suffix of a feature's name; covers `model.history.features.SUFFIXES`."""
_COUNTED: Final = "earlier claims with the same KIND"
_TITLES: Final[Mapping[str, str]] = {
    "days_since": "latest claim with the same KIND",
    "fraud_rate": "outcome of earlier claims with the same KIND",
}
"""What is called not known when a value is missing; `_COUNTED` for the others."""


def remembering(contract: Contract, kinds: tuple[EntityKind, ...]) -> Contract:
    """The contract with the history features of these kinds as fields of role *feature*.

    Raises:
        ValueError: a field or a derived fact already has one of these names.
    """
    more = {field.name: field for kind in kinds for field in _fields(kind)}
    taken = [name for name in (*contract.fields, *contract.derived) if name in more]
    if taken:
        raise ValueError(
            f"contract {contract.about.name}: {taken[0]} is the name of a history feature: give "
            "the field another name, and x-from this one"
        )
    return msgspec.structs.replace(contract, fields={**contract.fields, **more})


def histories_in(kinds: tuple[EntityKind, ...], claims: Sequence[Any]) -> list[ClaimHistory]:
    """The histories held in the fields of claims, without their flags; None means missing.

    Args:
        kinds: one or more; the claims have their features as fields.
        claims: such as those of a contract made by `remembering`.
    """
    rows = (iter(_numbers(values)) for values in map(attrgetter(*names_of(kinds)), claims))
    return [
        ClaimHistory(tuple(EntityFeatures(*islice(row, len(SUFFIXES))) for _ in kinds))
        for row in rows
    ]


def _numbers(values: Sequence[float | None]) -> Iterator[float]:
    return (math.nan if value is None else value for value in values)


def _fields(kind: EntityKind) -> Iterator[Field]:
    for suffix, text in _PHRASES.items():
        name = feature_name(kind.kind, suffix)
        said = Declared(
            type="number",
            role=Role.FEATURE,
            minimum=0,
            maximum=MAX_NUMBER,
            unit="days" if suffix == "days_since" else None,
            phrase=_of_kind(text, kind.kind),
            title=_named(_TITLES.get(suffix, _COUNTED), kind.kind),
            topic=f"history of {kind.kind}",
            description=f"History of the {kind.kind}, as of when the claim came in.",
        )
        yield Field(
            name=name,
            kind="number",
            role=Role.FEATURE,
            required=False,
            places=((name,),),
            said=said,
        )


def _of_kind(text: Phrase, kind: str) -> Phrase:
    if isinstance(text, str):
        return _named(text, kind)
    return Cases(positive=_named(text.positive or "", kind))


def _named(text: str, kind: str) -> str:
    return text.replace("KIND", kind.replace("_", " "))
