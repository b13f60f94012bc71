"""What is known about a batch of claims, and how alerts report it.

History informs: nothing here changes a decision.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from model.history.features import ClaimHistory, EntityFeatures
from model.history.plan import EntityKind
from schemas.alert import EntityHistory, LinkedClaim, LinkFinding, MemoryStatus

MOST_LINKS: Final = 5
"""Per kind of entity."""
VERSION: Final = 1
"""Version of how history is computed; alerts carry it."""


class EarlierClaim(Protocol):
    """An earlier claim that names the same entity as one of the batch."""

    @property
    def kind(self) -> int:
        """Index of the entity's kind among the model's."""

    @property
    def claim_id(self) -> str:
        """The claim's id."""

    @property
    def known_at(self) -> int:
        """When it became known, in milliseconds since 1970."""

    @property
    def finding(self) -> bool | None:
        """Whether it was found to be fraud; None if that was not known."""

    @property
    def amount(self) -> float | None:
        """How much was claimed."""


class Recalled(NamedTuple):
    """What is known about a batch of claims; each part is in the claims' order."""

    kinds: tuple[EntityKind, ...]
    """The model's kinds."""
    histories: Sequence[ClaimHistory]
    as_of: Sequence[int]
    """For each claim, milliseconds since 1970: what became known before then was seen."""
    behind_ms: int
    """How long the log may already have held records that are not seen yet."""
    links: Callable[[Sequence[int]], Mapping[int, Sequence[EarlierClaim]]]
    """Earlier claims by row of the batch, latest first, given the rows that a person will look at;
    called once."""


def entity_histories(recalled: Recalled) -> list[tuple[EntityHistory, ...]]:
    """The history values of each claim, for each kind of entity that has any."""
    kinds = [kind.kind for kind in recalled.kinds]
    return [
        tuple(
            [
                _entity(kind, of_kind, at_least=number in history.bounded)
                for number, (kind, of_kind) in enumerate(zip(kinds, history.kinds, strict=True))
                if of_kind.claims_365d >= 0  # not NaN
            ]
        )
        for history in recalled.histories
    ]


def _entity(kind: str, found: EntityFeatures, *, at_least: bool) -> EntityHistory:
    short, medium, long, policies, days_since, decided, frauds, rate = found
    return EntityHistory(
        entity=kind,
        claims_30d=int(short),
        claims_90d=int(medium),
        claims_365d=int(long),
        policies=int(policies),
        policies_at_least=at_least,
        days_since=None if math.isnan(days_since) else days_since,
        decided=int(decided),
        frauds=int(frauds),
        fraud_rate=None if math.isnan(rate) else rate,
    )


def linked_claims(recalled: Recalled, rows: Sequence[int]) -> dict[int, tuple[LinkedClaim, ...]]:
    """Earlier claims that an investigator can open, by row; none are linked through businesses.

    Args:
        recalled: of the batch.
        rows: the claims that a person will look at.
    """
    if not rows:
        return {}
    found = recalled.links(rows)
    return {row: tuple(_links(recalled.kinds, found.get(row, ()))) for row in rows}


def _links(kinds: Sequence[EntityKind], found: Sequence[EarlierClaim]) -> Iterator[LinkedClaim]:
    counted: Counter[int] = Counter()
    for claim in found:
        counted[claim.kind] += 1
        if kinds[claim.kind].like == "person" and counted[claim.kind] <= MOST_LINKS:
            yield LinkedClaim(
                entity=kinds[claim.kind].kind,
                claim_id=claim.claim_id,
                known_at=_moment(claim.known_at),
                finding=_FINDINGS[claim.finding],
                amount=claim.amount,
            )


_FINDINGS: Final[Mapping[bool | None, LinkFinding | None]] = {
    None: None,
    False: LinkFinding.NOT_FRAUD,
    True: LinkFinding.FRAUD,
}


def memory_statuses(recalled: Recalled) -> list[MemoryStatus]:
    """How current the history of each claim is."""
    made = {
        moment: MemoryStatus(as_of=_moment(moment), behind_ms=recalled.behind_ms, version=VERSION)
        for moment in {*recalled.as_of}
    }
    return [made[moment] for moment in recalled.as_of]


@lru_cache(maxsize=10_000)
def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1_000, dt.UTC)
