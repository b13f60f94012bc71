"""The past of one entity: what can be asked of it, and a version in memory: its facts, and sorted
times from which totals at any moment are counted.

Nothing here is an incremented counter. Each list is a function of the facts alone, so the
order in which they arrived leaves no trace, and what was known at any moment can still be asked.
A total at a moment is the number of times before it: two bisections, however many facts there are.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from model.history.facts import ClaimFact, ClaimRef, OutcomeFact, first_of

NO_FINDINGS: tuple[OutcomeFact, ...] = ()


class Own(NamedTuple):
    """What the past of an entity holds about one claim."""

    claim: ClaimRef
    known_at: int
    findings: tuple[OutcomeFact, ...]
    """The latest last."""


class Past(Protocol):
    """What is known of one entity. Moments are in milliseconds."""

    def own(self, claim: ClaimRef) -> Own | None:
        """What is known of one claim, if it is among those of the entity."""

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """How many claims became known from each start on, and before `end`."""

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """Of the latest claims that became known from `start` on and before `end`, up to a limit:
        how many different policies they are on, and when the last one became known. They are
        ordered by time, then by claim.

        Args:
            start: there is a claim from it on.
            end: after the last of them.
            most: how many are looked at.
            but: a claim to leave out.
        """

    def outcomes(self, moment: int) -> tuple[int, int]:
        """How many claims had a known outcome as of a moment, and how many of these were found to
        be fraud; see `outcome`.
        """


class Changes(Struct, gc=False):
    """Moments just after which a total rises or falls by one, sorted."""

    rises: list[int] = msgspec.field(default_factory=list)
    falls: list[int] = msgspec.field(default_factory=list)

    def before(self, moment: int) -> int:
        """The total as of a moment: of what was known strictly before it."""
        return bisect_left(self.rises, moment) - bisect_left(self.falls, moment)


class EntityPast(Struct, gc=False):
    """Claims that name one entity, and what was found about them.

    Args:
        span: milliseconds after which a fact is no longer seen.
    """

    span: int
    known: list[int] = msgspec.field(default_factory=list)
    """When each claim became known, sorted; the next two lists are in the same order."""
    claims: list[ClaimRef] = msgspec.field(default_factory=list)
    policies: list[bytes | None] = msgspec.field(default_factory=list)
    of_decided: Changes = msgspec.field(default_factory=Changes)
    """Of the number of claims whose outcome is known."""
    of_frauds: Changes = msgspec.field(default_factory=Changes)
    facts: dict[ClaimRef, ClaimFact] = msgspec.field(default_factory=dict)
    findings: dict[ClaimRef, tuple[OutcomeFact, ...]] = msgspec.field(default_factory=dict)
    """On these claims, the latest last."""

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        fact = self.facts.get(claim)
        if fact is None:
            return None
        return Own(claim, fact.known_at, self.findings.get(claim, NO_FINDINGS))

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        last = bisect_left(self.known, end)
        return [last - bisect_left(self.known, start) for start in starts]

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        first, last = bisect_left(self.known, start), bisect_left(self.known, end)
        if but is None:
            places: Sequence[int] = range(max(first, last - most), last)
        else:
            seen = range(max(first, last - most - 1), last)
            places = [place for place in seen if self.claims[place] != but][-most:]
        policies = {self.policies[place] for place in places}
        policies.discard(None)
        return len(policies), self.known[places[-1]]

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        if not self.findings:
            return 0, 0
        return self.of_decided.before(moment), self.of_frauds.before(moment)

    def add(self, fact: ClaimFact, findings: Sequence[OutcomeFact] = NO_FINDINGS) -> None:
        """Take in a claim; one known already counts from the earlier time.

        Args:
            fact: the claim.
            findings: all findings on it that count, the latest last.
        """
        former = self.facts.get(fact.claim)
        if former is not None:
            fact = first_of(former, fact)
            if fact == former:
                return
            self._take_out(former)
        self.facts[fact.claim] = fact
        at = _place(self.known, self.claims, fact)
        self.known.insert(at, fact.known_at)
        self.claims.insert(at, fact.claim)
        self.policies.insert(at, fact.policy)
        self.found(fact.claim, tuple(findings))

    def found(self, claim: ClaimRef, findings: tuple[OutcomeFact, ...]) -> None:
        """Take in all findings on a claim of this entity, the latest last."""
        fact = self.facts[claim]
        former = self.findings.get(claim, NO_FINDINGS)
        if former:
            self._count(fact, former, remove=True)
        if findings:
            self.findings[claim] = findings
            self._count(fact, findings, remove=False)

    def drop(self, claim: ClaimRef) -> None:
        """Take out a claim, as if it had never named this entity."""
        self._take_out(self.facts.pop(claim))

    def _take_out(self, fact: ClaimFact) -> None:
        former = self.findings.pop(fact.claim, NO_FINDINGS)
        if former:
            self._count(fact, former, remove=True)
        at = _place(self.known, self.claims, fact)
        del self.known[at], self.claims[at], self.policies[at]

    def _count(self, fact: ClaimFact, findings: Sequence[OutcomeFact], *, remove: bool) -> None:
        change = _remove if remove else insort
        for moment, decided, fraud in steps(fact.known_at, findings, self.span):
            for total, step in ((self.of_decided, decided), (self.of_frauds, fraud)):
                if step:
                    change(total.rises if step > 0 else total.falls, moment)


def _place(known: Sequence[int], claims: Sequence[ClaimRef], fact: ClaimFact) -> int:
    """Where a claim is, or belongs, among those of the entity: by time, then by claim."""
    first = bisect_left(known, fact.known_at)
    return bisect_left(claims, fact.claim, first, bisect_right(known, fact.known_at, first))


def _remove(moments: list[int], moment: int) -> None:
    del moments[bisect_left(moments, moment)]


def steps(known_at: int, findings: Sequence[OutcomeFact], span: int) -> list[tuple[int, int, int]]:
    """Moments just after which a claim becomes or stops being decided, or fraud, with the steps."""
    moments = {known_at, known_at + span}
    for finding in findings:
        moments |= {finding.known_at, finding.known_at + span}
    found, former = [], (False, False)
    for moment in sorted(moments):
        state = outcome(known_at, findings, span, moment + 1)
        if state != former:
            found.append((moment, state[0] - former[0], state[1] - former[1]))
            former = state
    return found


def outcome(
    known_at: int, findings: Sequence[OutcomeFact], span: int, moment: int
) -> tuple[bool, bool]:
    """Whether a claim was decided as of a moment, and whether as fraud.

    Both the claim and its latest finding must have become known strictly before the moment, and no
    longer before it than the span.

    Args:
        known_at: when the claim became known.
        findings: on it, the latest last.
        span: milliseconds after which a fact is no longer seen.
        moment: as of which to answer.
    """
    if not moment - span <= known_at < moment:
        return False, False
    for finding in reversed(findings):
        if finding.known_at < moment:
            seen = finding.known_at >= moment - span
            return seen, seen and finding.fraud
    return False, False
