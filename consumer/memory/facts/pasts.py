"""Pasts of entities, read from the bytes of a store in one transaction."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Final, Protocol

from consumer.memory.facts.entries import (
    CLAIM,
    EARLIER,
    FOUND,
    FOUND_ON,
    FRAUD,
    NO_POLICY,
    POLICY,
    Follows,
    KeyBytes,
    StoredFact,
    edge,
    edges,
    found_edge,
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
    SeriesRows,
    total,
)
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, first_of
from model.history.past import Changes, Own, outcome, steps
from model.history.plan import Bounds

_policy: Final = itemgetter(POLICY)
# A NamedTuple's constructor is a Python function; this is its equivalent in C.
_own: Final = partial(tuple.__new__, Own)


class Reads(Protocol):
    """A snapshot of a store."""

    def series(self, key: KeyBytes) -> Mapping[Series, SeriesRows]:
        """The series of an entity that have rows."""

    def follows(self, claim: ClaimRef) -> Follows:
        """What follows from the entry of a claim."""


class FactsPast:
    """A past counted from the latest facts of an entity.

    These are all the facts in the span, or enough for a person-like entity to be taken for a
    placeholder.

    Args:
        state: of a store.
        key: of the entity.
        facts: its latest, in order; some may be from the moment asked about or later.
        span: milliseconds after which a fact is no longer seen.
        since: it can be asked about moments whose `edge` is later. Before earlier ones it has too
            few facts.
    """

    __slots__ = ("facts", "key", "since", "span", "state")
    has_totals = False
    """Whether it counts facts other than those it has."""

    def __init__(
        self,
        state: Reads,
        key: KeyBytes,
        facts: Sequence[StoredFact],
        span: int,
        since: bytes = b"",
    ) -> None:
        self.state = state
        self.key = key
        self.facts = facts
        self.span = span
        self.since = since

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
        return recent_of(self.facts, None, (start, end), most, but)

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        decided = frauds = 0
        found = [fact for fact in self.facts if fact[FOUND]]
        if not found:
            return 0, 0
        oldest, end = edge(moment - self.span), edge(moment)
        oldest_day, end_day = found_edge(moment - self.span), found_edge(moment)
        for fact in found:
            if not oldest <= fact < end:
                continue
            fraud = bool(fact[FOUND] & FRAUD)
            for place in FOUND_ON:
                day = fact[place]
                if day < end_day:
                    if day >= oldest_day:
                        decided, frauds = decided + 1, frauds + fraud
                    break
                fraud = not fraud
            else:
                if fact[FOUND] & EARLIER:
                    findings = self.state.follows(fact[CLAIM]).findings
                    one, fraud = outcome(known_at(fact), findings, self.span, moment)
                    decided, frauds = decided + one, frauds + fraud
        return decided, frauds


class TotalsPast(FactsPast):
    """The past of a business-like entity with many claims: the latest are known one by one, and all
    of them as daily totals.
    """

    __slots__ = ()
    has_totals = True

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        rows = self.state.series(self.key).get(CLAIMS)
        last, *before = [total(rows, day) for day in _days((end, *starts))]
        return [last - sum_then for sum_then in before]

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        series = self.state.series(self.key)
        rises = series.get(DECIDED)
        if rises is None:
            return 0, 0
        day = -(-moment // DAY)
        return (
            total(rises, day) - total(series.get(UNDECIDED), day),
            total(series.get(FRAUDS), day) - total(series.get(UNFRAUDS), day),
        )


class PendingFacts:
    """Facts of one entity that are not in the store yet, and what they replace there: of two facts
    about one claim, the first counts. They are compared once, whatever moments are asked about, as
    facts from later moments replace none.

    Args:
        state: of a store.
        key: of the entity.
        pending: facts about it.
        bounds: how much is looked at.
    """

    def __init__(
        self, state: Reads, key: KeyBytes, pending: Iterable[ClaimFact], bounds: Bounds
    ) -> None:
        counts: dict[ClaimRef, ClaimFact] = {}
        for told in pending:
            former = counts.get(told.claim)
            counts[told.claim] = told if former is None else first_of(former, told)
        self.own: dict[ClaimRef, Own] = {}
        """What is known about the claims of facts that count."""
        self.gone: set[ClaimRef] = set()
        """Claims whose facts in the store do not count."""
        replaced = []
        facts = []
        self._waiting, self._stored = _Totals(), _Totals()
        follows = state.follows
        for claim, fact in counts.items():
            known, findings = follows(claim)
            kept = known.get(key) if known else None
            if kept is None and known and _comes_late(fact, key, known, bounds.names):
                continue
            if kept is not None:
                if first_of(kept, fact) == kept:
                    continue
                self.gone.add(claim)
                replaced.append(stored(kept.known_at // DAY, claim, kept.policy))
                if findings:
                    self._stored.add(kept, findings, bounds.span)
            came_at = fact.known_at
            self.own[claim] = _own((claim, came_at, findings))
            facts.append(stored(came_at // DAY, claim, fact.policy))
            if findings:
                self._waiting.add(fact, findings, bounds.span)
        self.facts: Sequence[StoredFact] = sorted(facts)
        self.replaced: Sequence[StoredFact] = sorted(replaced)

    def latest(self, end: bytes, most: int) -> Sequence[StoredFact]:
        """The latest facts before an `edge`, at most `most`."""
        last = bisect_left(self.facts, end)
        return self.facts[max(0, last - most) : last]

    def outcomes(self, moment: int) -> tuple[int, int]:
        """What these facts add to `Past.outcomes`."""
        return self._waiting.before(moment)

    def stored_outcomes(self, moment: int) -> tuple[int, int]:
        """What the store's facts that do not count add to it."""
        return self._stored.before(moment)


class _Totals:
    """How many claims are decided, and how many as frauds."""

    def __init__(self) -> None:
        self._decided, self._frauds = Changes(), Changes()
        self._sorted = True

    def add(self, fact: ClaimFact, findings: Sequence[OutcomeFact], span: int) -> None:
        for moment, decided, fraud in steps(fact.known_at, findings, span):
            self._sorted = False
            for changes, step in ((self._decided, decided), (self._frauds, fraud)):
                if step:
                    (changes.rises if step > 0 else changes.falls).append(moment)

    def before(self, moment: int) -> tuple[int, int]:
        if not self._sorted:
            for changes in (self._decided, self._frauds):
                changes.rises.sort()
                changes.falls.sort()
            self._sorted = True
        return self._decided.before(moment), self._frauds.before(moment)


def _comes_late(
    fact: ClaimFact, key: KeyBytes, known: Mapping[KeyBytes, ClaimFact], most: int
) -> bool:
    """Whether a claim names so many entities before this one that it does not count.

    Other pending records of the claim are not looked at: their names count until the records are
    read back, even if there are too many.
    """
    if len(known) < most:
        return False
    return (fact.known_at, key) > max((one.known_at, name) for name, one in known.items())


class PendingPast:
    """A past with facts that are not in the store yet.

    Args:
        past: what the store has, without facts that do not count.
        waiting: what the store does not have.
        more: the latest facts of those before the moment asked about.

    Attributes:
        since: see `FactsPast`.
    """

    __slots__ = ("_facts", "_past", "_policies", "_waiting", "since")

    def __init__(self, past: FactsPast, waiting: PendingFacts, more: Sequence[StoredFact]) -> None:
        self._past = past
        self._waiting = waiting
        self._facts = sorted([*past.facts, *more])
        self._policies = list(map(_policy, self._facts))
        self.since = past.since

    def own(self, claim: ClaimRef) -> Own | None:
        """See `Past`."""
        return self._waiting.own.get(claim) or self._past.own(claim)

    def counts(self, starts: tuple[int, ...], end: int) -> list[int]:
        """See `Past`."""
        counts = self._past.counts(starts, end)
        _add(counts, self._waiting.facts, starts, end, 1)
        if self._past.has_totals and self._waiting.replaced:
            _add(counts, self._waiting.replaced, starts, end, -1)
        return counts

    def recent(self, start: int, end: int, most: int, but: ClaimRef | None) -> tuple[int, int]:
        """See `Past`."""
        return recent_of(self._facts, self._policies, (start, end), most, but)

    def outcomes(self, moment: int) -> tuple[int, int]:
        """See `Past`."""
        decided, frauds = self._past.outcomes(moment)
        more, more_frauds = self._waiting.outcomes(moment)
        decided, frauds = decided + more, frauds + more_frauds
        if self._past.has_totals:
            less, less_frauds = self._waiting.stored_outcomes(moment)
            decided, frauds = decided - less, frauds - less_frauds
        return decided, frauds


def _add(
    counts: list[int], facts: Sequence[StoredFact], starts: tuple[int, ...], end: int, by: int
) -> None:
    """Add to each count the facts at or after its start and before an end."""
    last = bisect_left(facts, edge(end))
    for place, start in enumerate(edges(starts)):
        counts[place] += by * (last - bisect_left(facts, start))


def recent_of(
    facts: Sequence[StoredFact],
    policies: Sequence[bytes] | None,
    between: tuple[int, int],
    most: int,
    but: ClaimRef | None,
) -> tuple[int, int]:
    """`Past.recent` for facts that are in order.

    Args:
        facts: of an entity.
        policies: of each fact, if known already.
        between: `start` and `end`.
        most: how many are looked at.
        but: a claim to leave out.
    """
    oldest, after = edges(between)
    first, last = bisect_left(facts, oldest), bisect_left(facts, after)
    if but is None:
        some = slice(max(first, last - most), last)
        seen = set(map(_policy, facts[some]) if policies is None else policies[some])
        latest = facts[last - 1]
    else:
        others = [fact for fact in facts[max(first, last - most - 1) : last] if fact[CLAIM] != but]
        seen, latest = set(map(_policy, others[-most:])), others[-1]
    seen.discard(NO_POLICY)
    return len(seen), known_at(latest)


@lru_cache(maxsize=1_024)
def _days(moments: tuple[int, ...]) -> list[int]:
    """The first day that begins at or after each moment: earlier days began before the moment."""
    return [-(-moment // DAY) for moment in moments]
