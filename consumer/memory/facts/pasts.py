"""Pasts of entities, read from the bytes of a store in one transaction."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Protocol

from consumer.memory.facts.entries import EntityFact, Follows, KeyBytes
from consumer.memory.facts.totals import Series, total
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, first_of
from model.history.past import Own, Past, PastClaim, outcome


class Reads(Protocol):
    """A state of a store."""

    def latest(self, key: KeyBytes, day: int, most: int) -> list[EntityFact]:
        """The latest facts of an entity of earlier days, at most so many, in order."""

    def series(self, key: KeyBytes, series: Series) -> bytes | None:
        """A series of a business-like entity."""

    def follows(self, claim: ClaimRef) -> Follows:
        """What follows from the entry of a claim."""


def day_from(moment: int) -> int:
    """The first day that begins at a moment or later: days before it began before the moment."""
    return -(-moment // DAY)


class PersonPast:
    """Of a person-like entity: counted from its latest facts.

    They are all that are in the span, or so many that the entity is taken for a placeholder.

    Args:
        source: a state of a store.
        key: of the entity.
        facts: in order; its latest before the moment that is asked for.
        span: milliseconds after which a fact is not seen any more.
    """

    def __init__(
        self, source: Reads, key: KeyBytes, facts: Sequence[EntityFact], span: int
    ) -> None:
        self._source = source
        self._key = key
        self._facts = facts
        self._days = [fact.day for fact in facts]
        self._span = span

    def count(self, start: int, end: int) -> int:
        """See `Past`."""
        days = self._days
        return bisect_left(days, day_from(end)) - bisect_left(days, day_from(start))

    def decided(self, moment: int) -> int:
        """See `Past`."""
        return sum(decided for decided, _ in self._outcomes(moment))

    def frauds(self, moment: int) -> int:
        """See `Past`."""
        return sum(fraud for _, fraud in self._outcomes(moment))

    def latest(self, end: int, most: int) -> list[PastClaim]:
        """See `Past`."""
        last = bisect_left(self._days, day_from(end))
        return [
            (fact.day * DAY, fact.claim, fact.policy)
            for fact in self._facts[max(0, last - most) : last]
        ]

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        return own_of(self._source.follows(claim), self._key)

    def _outcomes(self, moment: int) -> list[tuple[bool, bool]]:
        return [
            outcome(fact.day * DAY, self._source.follows(fact.claim).findings, self._span, moment)
            for fact in self._facts
            if fact.found
        ]


class BusinessPast:
    """Of a business-like entity: totals by day.

    Args:
        source: a state of a store.
        key: of the entity.
        facts: in order; its latest before the moment that is asked for.
    """

    def __init__(self, source: Reads, key: KeyBytes, facts: Sequence[EntityFact]) -> None:
        self._source = source
        self._key = key
        self._facts = facts
        self._claims = source.series(key, Series.CLAIMS)

    def count(self, start: int, end: int) -> int:
        """See `Past`."""
        return total(self._claims, day_from(end)) - total(self._claims, day_from(start))

    def decided(self, moment: int) -> int:
        """See `Past`."""
        return self._difference(Series.DECIDED, Series.UNDECIDED, moment)

    def frauds(self, moment: int) -> int:
        """See `Past`."""
        return self._difference(Series.FRAUDS, Series.UNFRAUDS, moment)

    def latest(self, end: int, most: int) -> list[PastClaim]:
        """See `Past`."""
        last = day_from(end)
        known = [fact for fact in self._facts if fact.day < last]
        return [(fact.day * DAY, fact.claim, fact.policy) for fact in known[-most:]]

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        return own_of(self._source.follows(claim), self._key)

    def _difference(self, rises: Series, falls: Series, moment: int) -> int:
        risen = self._source.series(self._key, rises)
        if risen is None:
            return 0
        day = day_from(moment)
        return total(risen, day) - total(self._source.series(self._key, falls), day)


def own_of(follows: Follows, key: KeyBytes) -> Own | None:
    """What an entity has of a claim."""
    fact = follows.facts.get(key)
    return None if fact is None else Own(fact.known_at, follows.findings)


class PendingPast:
    """A past with facts that are not in the store yet.

    Args:
        past: what the store has; None for an entity that it does not know.
        replaced: facts of it that come to nothing, as a pending one counts instead.
        pending: facts that count.
        findings_of: findings on a claim, the latest last.
        span: milliseconds after which a fact is not seen any more.
    """

    def __init__(
        self,
        past: Past | None,
        replaced: Sequence[ClaimFact],
        pending: Sequence[ClaimFact],
        findings_of: Callable[[ClaimRef], tuple[OutcomeFact, ...]],
        span: int,
    ) -> None:
        self._past = past
        self._replaced = replaced
        self._pending = pending
        self._findings_of = findings_of
        self._span = span

    def count(self, start: int, end: int) -> int:
        """See `Past`."""
        stored = self._past.count(start, end) if self._past else 0
        more = sum(start <= fact.known_at < end for fact in self._pending)
        return stored + more - sum(start <= fact.known_at < end for fact in self._replaced)

    def decided(self, moment: int) -> int:
        """See `Past`."""
        stored = self._past.decided(moment) if self._past else 0
        more = self._outcomes(self._pending, moment)
        less = self._outcomes(self._replaced, moment)
        return stored + sum(one for one, _ in more) - sum(one for one, _ in less)

    def frauds(self, moment: int) -> int:
        """See `Past`."""
        stored = self._past.frauds(moment) if self._past else 0
        more = self._outcomes(self._pending, moment)
        less = self._outcomes(self._replaced, moment)
        return stored + sum(one for _, one in more) - sum(one for _, one in less)

    def latest(self, end: int, most: int) -> list[PastClaim]:
        """See `Past`."""
        stored = self._past.latest(end, most + len(self._replaced)) if self._past else ()
        gone = {fact.claim for fact in self._replaced}
        found = [one for one in stored if one[1] not in gone]
        found += [(f.known_at, f.claim, f.policy) for f in self._pending if f.known_at < end]
        return sorted(found, key=lambda one: one[:2])[-most:]

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        for fact in self._pending:
            if fact.claim == claim:
                return Own(fact.known_at, self._findings_of(claim))
        return self._past.own(claim) if self._past else None

    def _outcomes(self, facts: Sequence[ClaimFact], moment: int) -> list[tuple[bool, bool]]:
        return [
            outcome(fact.known_at, self._findings_of(fact.claim), self._span, moment)
            for fact in facts
        ]


def with_pending(
    source: Reads, key: KeyBytes, past: Past | None, pending: Sequence[ClaimFact], span: int
) -> Past | None:
    """A past with pending facts: of two facts about one claim, the first counts."""
    replaced: list[ClaimFact] = []
    counting: dict[ClaimRef, ClaimFact] = {}
    for told in pending:
        former = counting.get(told.claim)
        counting[told.claim] = told if former is None else first_of(former, told)
    for claim, fact in list(counting.items()):
        stored = source.follows(claim).facts.get(key)
        if stored is None:
            continue
        if first_of(stored, fact) == stored:
            del counting[claim]
        else:
            replaced.append(stored)
    if not counting:
        return past
    return PendingPast(
        past,
        replaced,
        list(counting.values()),
        lambda claim: source.follows(claim).findings,
        span,
    )
