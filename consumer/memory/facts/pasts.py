"""Pasts of entities, read from the bytes of a store in one transaction."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, Protocol

from consumer.memory.facts.entries import (
    CLAIM,
    FOUND,
    FOUND_ON,
    FRAUD,
    NO_POLICY,
    POLICY,
    SEVERAL,
    Follows,
    KeyBytes,
    StoredFact,
    edge,
    edges,
    known_at,
    stored,
)
from consumer.memory.facts.totals import (
    CLAIMS,
    DECIDED,
    FRAUDS,
    UNDECIDED,
    UNFRAUDS,
    Series,
    totals,
)
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, first_of
from model.history.past import Own, outcome

_policy: Final = itemgetter(POLICY)


class Reads(Protocol):
    """A state of a store."""

    def series(self, key: KeyBytes, series: Series) -> bytes | None:
        """A series of a business-like entity."""

    def follows(self, claim: ClaimRef) -> Follows:
        """What follows from the entry of a claim."""


class FactsPast:
    """Counted from the latest facts of an entity.

    They are all that are in the span, or so many that a person-like entity is taken for a
    placeholder.

    Args:
        state: of a store.
        key: of the entity.
        facts: in order; its latest before the moment that is asked for.
        span: milliseconds after which a fact is not seen any more.
    """

    __slots__ = ("facts", "key", "span", "state")

    def __init__(self, state: Reads, key: KeyBytes, facts: Sequence[StoredFact], span: int) -> None:
        self.state = state
        self.key = key
        self.facts = facts
        self.span = span

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        facts, findings = self.state.follows(claim)
        fact = facts.get(self.key)
        return None if fact is None else Own(claim, fact.known_at, findings)

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        facts = self.facts
        last = bisect_left(facts, edge(end))
        return [last - bisect_left(facts, start) for start in edges(starts)]

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        return recent_of(self.facts, start, end, most, but)

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        decided = frauds = 0
        oldest, end = edge(moment - self.span), edge(moment)
        for fact in [fact for fact in self.facts if fact[FOUND]]:
            if fact[FOUND] == SEVERAL:
                findings = self.state.follows(fact[CLAIM]).findings
                one, fraud = outcome(known_at(fact), findings, self.span, moment)
                decided, frauds = decided + one, frauds + fraud
            elif oldest <= fact < end and oldest <= fact[FOUND_ON] < end:
                decided, frauds = decided + 1, frauds + (fact[FOUND] == FRAUD)
        return decided, frauds


class TotalsPast(FactsPast):
    """Of a business-like entity with many claims: the latest are known one by one, and totals of
    all by day.
    """

    __slots__ = ()

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        days = [_day(moment) for moment in (end, *starts)]
        last, *before = totals(self.state.series(self.key, CLAIMS), days)
        return [last - sum_then for sum_then in before]

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        rises = self.state.series(self.key, DECIDED)
        if rises is None:
            return 0, 0
        return (
            self._difference(rises, UNDECIDED, moment),
            self._difference(self.state.series(self.key, FRAUDS), UNFRAUDS, moment),
        )

    def _difference(self, rises: bytes | None, falls: Series, moment: int) -> int:
        days = (_day(moment),)
        return totals(rises, days)[0] - totals(self.state.series(self.key, falls), days)[0]


class PendingPast:
    """A past with facts that are not in the store yet.

    Args:
        past: what the store has.
        replaced: facts of it that come to nothing, as a pending one counts instead.
        pending: facts that count.
        span: milliseconds after which a fact is not seen any more.
    """

    def __init__(
        self,
        past: FactsPast,
        replaced: Sequence[ClaimFact],
        pending: Sequence[ClaimFact],
        span: int,
    ) -> None:
        self._past = past
        self._replaced = replaced
        self._pending = pending
        self._span = span
        gone = {fact.claim for fact in replaced}
        left = [fact for fact in past.facts if fact[CLAIM] not in gone]
        self._facts = sorted(
            [
                *left,
                *(stored(_day(fact.known_at), fact.claim, fact.policy) for fact in pending),
            ]
        )

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        for fact in self._pending:
            if fact.claim == claim:
                return Own(claim, fact.known_at, self._findings(claim))
        return self._past.own(claim)

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        return [
            count + _within(self._pending, start, end) - _within(self._replaced, start, end)
            for start, count in zip(starts, self._past.counts(starts, end), strict=True)
        ]

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        return recent_of(self._facts, start, end, most, but)

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        decided, frauds = self._past.outcomes(moment)
        for facts, by in ((self._pending, 1), (self._replaced, -1)):
            for fact in facts:
                one, fraud = outcome(fact.known_at, self._findings(fact.claim), self._span, moment)
                decided, frauds = decided + by * one, frauds + by * fraud
        return decided, frauds

    def _findings(self, claim: ClaimRef) -> tuple[OutcomeFact, ...]:
        return self._past.state.follows(claim).findings


def with_pending(
    past: FactsPast, pending: Iterable[ClaimFact], span: int
) -> FactsPast | PendingPast:
    """A past with pending facts: of two facts about one claim, the first counts."""
    replaced: list[ClaimFact] = []
    counting: dict[ClaimRef, ClaimFact] = {}
    for told in pending:
        former = counting.get(told.claim)
        counting[told.claim] = told if former is None else first_of(former, told)
    for claim, fact in list(counting.items()):
        kept = past.state.follows(claim).facts.get(past.key)
        if kept is None:
            continue
        if first_of(kept, fact) == kept:
            del counting[claim]
        else:
            replaced.append(kept)
    if not counting:
        return past
    return PendingPast(past, replaced, list(counting.values()), span)


def recent_of(
    facts: Sequence[StoredFact], start: int, end: int, most: int, but: ClaimRef | None
) -> tuple[int, int]:
    """Of the latest of some facts, in order; see `Past.recent`."""
    oldest, after = edges((start, end))
    first, last = bisect_left(facts, oldest), bisect_left(facts, after)
    if but is None:
        seen = facts[max(first, last - most) : last]
    else:
        some = facts[max(first, last - most - 1) : last]
        seen = [fact for fact in some if fact[CLAIM] != but][-most:]
    policies = set(map(_policy, seen))
    policies.discard(NO_POLICY)
    return len(policies), known_at(seen[-1])


def _within(facts: Iterable[ClaimFact], start: int, end: int) -> int:
    return sum(start <= fact.known_at < end for fact in facts)


def _day(moment: int) -> int:
    """The first day that begins at a moment or later: days before it began before the moment."""
    return -(-moment // DAY)
