"""Pasts of entities, from the rows read for them: each serves all moments that claims of a batch
ask about. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, first_of
from model.history.past import NO_FINDINGS, Changes, Own

_MANY: Final = 1 << 30


class SeenClaim(NamedTuple):
    """A claim that names an entity; they sort by time, then by claim."""

    known_at: int
    claim: ClaimRef
    policy: bytes | None
    findings: tuple[OutcomeFact, ...]
    """The latest last; none for a business-like entity, whose totals have them."""


class DayTotals:
    """Totals of all claims of a business-like entity.

    Args:
        edges: days that are asked about, in order.
        rows: one for all days between two edges: how many edges are before these days; claims; and
            how many more are decided, and decided as fraud, after them.
    """

    def __init__(self, edges: Sequence[int], rows: Iterable[tuple[int, int, int, int]]) -> None:
        self._edges = edges
        between = [(0, 0, 0) for _ in edges]
        for place, claims, decided, frauds in rows:
            between[place] = claims, decided, frauds
        self._claims = list(accumulate(claims for claims, _, _ in between))
        self._decided = list(accumulate(decided for _, decided, _ in between))
        self._frauds = list(accumulate(frauds for _, _, frauds in between))

    def claims(self, day: int) -> int:
        """Claims from days before one of the edges."""
        return self._claims[bisect_left(self._edges, day)]

    def outcomes(self, day: int) -> tuple[int, int]:
        """How many are decided as of one of the edges, and how many as fraud."""
        place = bisect_left(self._edges, day)
        return self._decided[place], self._frauds[place]


class Decided:
    """How many of some claims are decided, and how many as fraud, as of any moment.

    Args:
        claims: when each became known, and what was found about it, the latest last.
        span: milliseconds after which a fact is no longer seen.
    """

    def __init__(self, claims: Iterable[tuple[int, Sequence[OutcomeFact]]], span: int) -> None:
        self._decided, self._frauds = Changes(), Changes()
        for known_at, findings in claims:
            for rise, fall, fraud in _spans(known_at, findings, span):
                for total in (self._decided, self._frauds) if fraud else (self._decided,):
                    total.rises.append(rise)
                    total.falls.append(fall)
        for total in (self._decided, self._frauds):
            total.rises.sort()
            total.falls.sort()

    def before(self, moment: int) -> tuple[int, int]:
        """See `model.history.past.Past.outcomes`."""
        return self._decided.before(moment), self._frauds.before(moment)


def _spans(
    known_at: int, findings: Sequence[OutcomeFact], span: int
) -> Iterator[tuple[int, int, bool]]:
    """The moments after which each finding decides a claim, and stops doing so: as
    `model.history.past.outcome`, in one pass however many there are.
    """
    for place, finding in enumerate(findings):
        fall = min(known_at, finding.known_at) + span
        if place + 1 < len(findings):
            fall = min(fall, findings[place + 1].known_at)
        rise = max(known_at, finding.known_at)
        if rise < fall:
            yield rise, fall, finding.fraud


class KeptFacts(NamedTuple):
    """What the database has on claims that ask or are pending."""

    facts: Mapping[ClaimRef, ClaimFact]
    """About one entity, by claim."""
    findings: Mapping[ClaimRef, tuple[OutcomeFact, ...]]
    """By claim, the latest last."""
    span: int
    """Milliseconds after which a fact is no longer seen."""


class WaitingFacts:
    """Pending facts of an entity, and what they replace in the database: of two facts about one
    claim, the first counts. They are compared once, whatever moments are asked about, as a fact
    that is not seen replaces none that is.

    Args:
        pending: facts about the entity.
        kept: what the database has on their claims.
    """

    def __init__(self, pending: Iterable[ClaimFact], kept: KeptFacts) -> None:
        counting: dict[ClaimRef, ClaimFact] = {}
        for told in pending:
            former = counting.get(told.claim)
            counting[told.claim] = told if former is None else first_of(former, told)
        self.facts: dict[ClaimRef, ClaimFact] = {}
        """Those that count, by claim."""
        gone: list[tuple[int, ClaimRef]] = []
        for claim, fact in counting.items():
            stored = kept.facts.get(claim)
            if stored is not None:
                if first_of(stored, fact) == stored:
                    continue
                gone.append((stored.known_at, claim))
            self.facts[claim] = fact
        found = kept.findings
        self.claims = sorted(
            SeenClaim(fact.known_at, claim, fact.policy, found.get(claim, NO_FINDINGS))
            for claim, fact in self.facts.items()
        )
        self.gone = {claim for _, claim in gone}
        """Claims whose facts in the database do not count."""
        self._known = [one.known_at for one in self.claims]
        self._gone = sorted(known_at for known_at, _ in gone)
        span = kept.span
        self._more = Decided(((one.known_at, one.findings) for one in self.claims), span)
        self._less = Decided(((at, found.get(claim, NO_FINDINGS)) for at, claim in gone), span)

    def seen(self, start: int, end: int) -> int:
        """How many of them became known at or after one moment and before another."""
        return bisect_left(self._known, end) - bisect_left(self._known, start)

    def replaced(self, start: int, end: int) -> int:
        """How many of the database's facts from that time do not count."""
        return bisect_left(self._gone, end) - bisect_left(self._gone, start)

    def outcomes(self, moment: int) -> tuple[int, int]:
        """What they add to the database's totals."""
        decided, frauds = self._more.before(moment)
        less, less_frauds = self._less.before(moment)
        return decided - less, frauds - less_frauds


class RowsPast:
    """A `model.history.past.Past` of a person-like entity: all its claims that are seen as of any
    moment asked about.

    Args:
        seen: its claims.
        kept: what the database has on it and on the claims that ask.
        waiting: pending facts.
    """

    __slots__ = ("_decided", "_kept", "_known", "_seen", "_waiting")

    def __init__(
        self, seen: Iterable[SeenClaim], kept: KeptFacts, waiting: WaitingFacts | None
    ) -> None:
        if waiting is None:
            self._seen = sorted(seen)
        else:
            left = [one for one in seen if one.claim not in waiting.gone]
            self._seen = sorted([*left, *waiting.claims])
        self._known = [one.known_at for one in self._seen]
        self._kept = kept
        self._waiting = waiting
        self._decided: Decided | None = None

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        fact = None if self._waiting is None else self._waiting.facts.get(claim)
        fact = fact or self._kept.facts.get(claim)
        if fact is None:
            return None
        return Own(claim, fact.known_at, self._kept.findings.get(claim, NO_FINDINGS))

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        last = bisect_left(self._known, end)
        return [last - bisect_left(self._known, start) for start in starts]

    def latest(self, start: int, end: int, most: int, but: ClaimRef | None) -> list[SeenClaim]:
        """The latest claims, in order; see `Past.recent`."""
        first, last = bisect_left(self._known, start), bisect_left(self._known, end)
        some = self._seen[max(first, last - most - 1) : last]
        return [one for one in some if one.claim != but][-most:]

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        some = self.latest(start, end, most, but)
        return len({one.policy for one in some} - {None}), some[-1].known_at

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        if self._decided is None:
            claims = ((one.known_at, one.findings) for one in self._seen if one.findings)
            self._decided = Decided(claims, self._kept.span)
        return self._decided.before(moment)


class TotalledPast(RowsPast):
    """The same for a business-like entity: its latest claims before each moment, and totals of all.

    Args:
        seen: its claims.
        kept: see `RowsPast`.
        waiting: pending facts.
        totals: of the claims that the database has.
    """

    __slots__ = ("_totals",)

    def __init__(
        self,
        seen: Iterable[SeenClaim],
        kept: KeptFacts,
        waiting: WaitingFacts | None,
        totals: DayTotals,
    ) -> None:
        super().__init__(seen, kept, waiting)
        self._totals = totals

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        before, waiting = self._totals.claims, self._waiting
        last = before(day_of(end))
        counts = [last - before(day_of(start)) for start in starts]
        if waiting is None:
            return counts
        return [
            count + waiting.seen(start, end) - waiting.replaced(start, end)
            for count, start in zip(counts, starts, strict=True)
        ]

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        decided, frauds = self._totals.outcomes(day_of(moment))
        if self._waiting is None:
            return decided, frauds
        more, more_frauds = self._waiting.outcomes(moment)
        return decided + more, frauds + more_frauds


class CrowdedPast(RowsPast):
    """The past of a person-like entity as of a moment before which it has so many claims that it is
    taken for a placeholder, whatever else is known about them.
    """

    __slots__ = ()

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        return [_MANY for _ in starts]


CROWDED: Final = CrowdedPast((), KeptFacts({}, {}, 0), None)


def day_of(moment: int) -> int:
    """The first day, since 1970, that begins at or after a moment."""
    return -(-moment // DAY)
