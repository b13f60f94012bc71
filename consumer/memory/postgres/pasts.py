"""Pasts of entities, of the rows that were read of them. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from model.history.facts import ClaimFact, ClaimRef, OutcomeFact, first_of
from model.history.past import Own, outcome


class SeenClaim(NamedTuple):
    """A claim that an entity is named by; they sort by time, then by claim."""

    known_at: int
    claim: ClaimRef
    policy: bytes | None
    decided: bool
    """As of the moment that was asked for."""
    fraud: bool


class DayTotals(NamedTuple):
    """Of a business-like entity, as of the moment that was asked for."""

    claims: Mapping[int, int]
    """From each start on."""
    decided: int
    frauds: int


class Correction(NamedTuple):
    """A claim that totals lack, or have and should not."""

    known_at: int
    by: int
    decided: bool
    fraud: bool


class RowsPast:
    """What was read of an entity as of a moment, as a `model.history.past.Past`.

    Args:
        seen: its latest claims, in order.
        totals: of all its claims; None if those seen are all that matter.
        corrections: of the totals.
        own: what is known of one claim.
    """

    __slots__ = ("_corrections", "_own", "_seen", "_totals")

    def __init__(
        self,
        seen: Sequence[SeenClaim],
        totals: DayTotals | None,
        corrections: Sequence[Correction],
        own: Callable[[ClaimRef], Own | None],
    ) -> None:
        self._seen = seen
        self._totals = totals
        self._corrections = corrections
        self._own = own

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        return self._own(claim)

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        totals, seen = self._totals, self._seen
        if totals is None:
            last = bisect_left(seen, (end,))
            return [last - bisect_left(seen, (start,)) for start in starts]
        return [
            totals.claims[start]
            + sum(one.by for one in self._corrections if start <= one.known_at < end)
            for start in starts
        ]

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        seen = self._seen
        first, last = bisect_left(seen, (start,)), bisect_left(seen, (end,))
        some = [one for one in seen[max(first, last - most - 1) : last] if one.claim != but]
        some = some[-most:]
        return len({one.policy for one in some} - {None}), some[-1].known_at

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`; the moment is the one that was asked for."""
        totals = self._totals
        if totals is None:
            decided = [one for one in self._seen if one.decided]
            return len(decided), sum(one.fraud for one in decided)
        return (
            totals.decided + sum(one.by for one in self._corrections if one.decided),
            totals.frauds + sum(one.by for one in self._corrections if one.fraud),
        )


class KeptFacts(NamedTuple):
    """What is read of claims besides what entities have seen."""

    facts: Mapping[ClaimRef, ClaimFact]
    """About one entity, by claim."""
    findings: Mapping[ClaimRef, tuple[OutcomeFact, ...]]
    """The latest as of the moment, by claim."""
    span: int
    moment: int

    def outcome(self, fact: ClaimFact) -> tuple[bool, bool]:
        """See `model.history.past.outcome`."""
        return outcome(fact.known_at, self.findings.get(fact.claim, ()), self.span, self.moment)


def past_of(
    seen: Sequence[SeenClaim],
    totals: DayTotals | None,
    pending: Iterable[ClaimFact],
    kept: KeptFacts,
) -> RowsPast | None:
    """The past of an entity with pending facts, those before the moment; of two facts about one
    claim, the first counts. None if nothing is known.
    """
    counting: dict[ClaimRef, ClaimFact] = {}
    for told in pending:
        former = counting.get(told.claim)
        counting[told.claim] = told if former is None else first_of(former, told)
    replaced: list[ClaimFact] = []
    for claim, fact in list(counting.items()):
        stored = kept.facts.get(claim)
        if stored is None:
            continue
        if first_of(stored, fact) == stored:
            del counting[claim]
        else:
            replaced.append(stored)
    if not (seen or counting or kept.facts):
        return None
    corrections = []
    if counting:
        gone = {fact.claim for fact in replaced}
        left = [one for one in seen if one.claim not in gone]
        more = [
            SeenClaim(f.known_at, f.claim, f.policy, *kept.outcome(f)) for f in counting.values()
        ]
        seen = sorted([*left, *more], key=_place)
        corrections = [
            Correction(fact.known_at, by, *kept.outcome(fact))
            for facts, by in ((counting.values(), 1), (replaced, -1))
            for fact in facts
        ]

    def own(claim: ClaimRef) -> Own | None:
        fact = counting.get(claim) or kept.facts.get(claim)
        if fact is None:
            return None
        return Own(claim, fact.known_at, kept.findings.get(claim, ()))

    return RowsPast(seen, totals, corrections, own)


def _place(one: SeenClaim) -> tuple[int, ClaimRef]:
    return one.known_at, one.claim
