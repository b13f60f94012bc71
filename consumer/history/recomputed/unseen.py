"""Whether what an alert did not know had not yet come in, as far as it could tell. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from consumer.history.access.scan import LogRecord
from consumer.history.recomputed.alerts import StatedHistory
from consumer.history.recomputed.comparing import KnownHistory, as_of, known, stated
from consumer.memory.log import claim_fact
from model.history.facts import OutcomeFact, claim_ref, start_of_day
from model.history.features import COMMON
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore, EntityKey
from schemas.alert import EntityHistory
from schemas.memory import RememberedClaim, RememberedFinding

SLACK_MS: Final = 10_000
"""Workers' clocks differ, and a transaction takes a while: an alert may not have seen what was
written this shortly before it."""
_COUNTS: Final = ("claims_30d", "claims_90d", "claims_365d", "policies", "decided", "frauds")
_written = attrgetter("written_ms")


class Differing(NamedTuple):
    """An alert that says something other than the whole log."""

    alert: StatedHistory
    keys: Sequence[EntityKey]
    """Whom its claim names."""
    by_log: KnownHistory
    """What the whole log says."""


def sees_until(alert: StatedHistory) -> int:
    """The moment before which everything written was seen by an alert, in milliseconds."""
    assert alert.memory is not None
    return round(alert.scored_at.timestamp() * 1_000) - alert.memory.behind_ms - SLACK_MS


def explained(
    differing: Sequence[Differing],
    records: Sequence[LogRecord],
    kinds: Sequence[EntityKind],
    bounds: Bounds,
    going_on: Callable[[], object] = lambda: None,
) -> list[bool]:
    """Whether each alert is right without what it may not have seen, or without part of that.

    Each record is taken in once, however many alerts are about whom it names.

    Args:
        differing: alerts that differ from the whole log.
        records: of all claims that name whom one of these alerts is about.
        kinds: of entities, as the alerts' model has them.
        bounds: how much is looked at.
        going_on: called again and again; may raise an error to stop.
    """
    log = _Log(records, kinds, bounds, going_on)
    found = [False] * len(differing)
    seen_first = sorted((sees_until(one.alert), place) for place, one in enumerate(differing))
    for until, place in seen_first:
        going_on()
        found[place] = log.explains(differing[place], until)
    return found


class _Facts:
    """Facts of the log in the store that training's replay uses, added one by one."""

    def __init__(self, kinds: Sequence[EntityKind], bounds: Bounds) -> None:
        self._store = DictStore(kinds, bounds)
        self._kinds = kinds
        self._numbers = {kind.kind: number for number, kind in enumerate(kinds)}

    def add(self, record: LogRecord) -> None:
        """Take in a record."""
        fact = record.told.fact
        if isinstance(fact, RememberedFinding):
            claim, day = claim_ref(fact.claim_id), start_of_day(fact.known_at)
            self._store.learn(OutcomeFact(claim=claim, known_at=day, fraud=fact.fraud))
        elif fact is not None:
            self._store.remember(claim_fact(fact), self.keys(fact))

    def keys(self, fact: RememberedClaim) -> list[EntityKey]:
        """Whom a claim names."""
        numbers = self._numbers
        return [(numbers[kind], name) for kind, name in fact.entities if kind in numbers]

    def known(self, about: Differing) -> KnownHistory:
        """What an alert would say that had seen these facts only."""
        claim, moment = claim_ref(about.alert.claim_id), as_of(about.alert)
        return known(self._kinds, self._store.history(claim, about.keys, moment))


class _Log:
    """Records by whom they are about, and the facts of those written before a moment that only
    moves forward.
    """

    def __init__(
        self,
        records: Sequence[LogRecord],
        kinds: Sequence[EntityKind],
        bounds: Bounds,
        going_on: Callable[[], object],
    ) -> None:
        self._kinds, self._bounds, self._going_on = kinds, bounds, going_on
        self._facts, self._taken = _Facts(kinds, bounds), 0
        self._records = sorted(records, key=_written)
        self._about: dict[EntityKey, list[LogRecord]] = {}
        """In the order in which they were written."""
        names: dict[str, set[EntityKey]] = {}
        for record in self._records:
            fact = record.told.fact
            if isinstance(fact, RememberedClaim):
                names.setdefault(fact.claim_id, set()).update(self._facts.keys(fact))
        for record in self._records:
            for key in names.get(record.told.key.claim_id, ()):
                self._about.setdefault(key, []).append(record)

    def explains(self, one: Differing, until: int) -> bool:
        """See `explained`; alerts are asked about in the order of `sees_until`."""
        while self._taken < len(self._records) and self._records[self._taken].written_ms < until:
            self._facts.add(self._records[self._taken])
            self._taken += 1
        own, low = stated(one.alert), self._facts.known(one)
        if low == own:
            return True
        late = self._late(one, until)
        if not late:
            return False
        # Workers see each other's facts in any order, so the alert's need not be the first of them.
        times = Counter(number for number, _ in one.keys)
        several = frozenset(self._kinds[number].kind for number in times if times[number] > 1)
        if one.by_log != low and within(own, low, one.by_log, len(late), several):
            return True
        return self._one_by_one(one, own, until, late)

    def _late(self, one: Differing, until: int) -> list[LogRecord]:
        """Records of earlier days that the alert may not have seen, the earliest first."""
        return [
            record
            for record in self._about_whom(one, until, before=False)
            if (fact := record.told.fact) is not None
            and start_of_day(fact.known_at) < as_of(one.alert)
        ]

    def _about_whom(self, one: Differing, until: int, *, before: bool) -> list[LogRecord]:
        """Records about whom the claim names, written before a moment or from then on, each once
        and in that order.
        """
        found: dict[int, LogRecord] = {}
        for key in one.keys:
            about = self._about.get(key, [])
            place = bisect_left(about, until, key=_written)
            some = about[:place] if before else about[place:]
            found.update(zip(map(id, some), some, strict=True))
        return sorted(found.values(), key=_written)

    def _one_by_one(
        self, one: Differing, own: KnownHistory, until: int, late: Sequence[LogRecord]
    ) -> bool:
        """Whether the alert is right with the first of the late records, up to any of them."""
        facts = _Facts(self._kinds, self._bounds)
        for record in self._about_whom(one, until, before=True):
            self._going_on()
            facts.add(record)
        for record in late:
            self._going_on()
            facts.add(record)
            if facts.known(one) == own:
                return True
        return False


def within(
    own: KnownHistory,
    low: KnownHistory,
    high: KnownHistory,
    added: int = 0,
    several: Collection[str] = (),
) -> bool:
    """Whether every value is between those without late facts and those with all of them.

    Policies are counted among the latest claims only. If there are more claims, one more claim
    takes the place of another, so with some of the late facts there may be fewer policies than with
    none of them or all, or more; each fact changes the number by one at most.

    Of several people of a kind each value is that of the one that says most, so the rate need not
    be that of the decided claims and frauds; then it is only looked at whether there is one.

    Args:
        own: what the alert says.
        low: what is known without late facts.
        high: what is known with all of them.
        added: how many facts are late.
        several: kinds of which the claim names several.
    """
    for kind in {*own.histories, *low.histories, *high.histories}:
        said, less, more = (one.histories.get(kind) for one in (own, low, high))
        if said is None:
            # Taken for a placeholder, which more facts do not change.
            if more is not None or f"{COMMON}:{kind}" not in own.common:
                return False
            continue
        if less is None or more is None or not _between(said, less, more, added):
            return False
        if not _has_its_rate(said, alone=kind not in several):
            return False
    return own.common >= (low.common & high.common) and own.common <= (low.common | high.common)


def _has_its_rate(said: EntityHistory, *, alone: bool) -> bool:
    if said.fraud_rate is None or not said.decided:
        return said.fraud_rate is None and not said.decided
    return not alone or said.fraud_rate == said.frauds / said.decided


def _between(said: EntityHistory, less: EntityHistory, more: EntityHistory, added: int) -> bool:
    for name in _COUNTS:
        sides = getattr(less, name), getattr(more, name)
        room = added if name == "policies" and more.policies_at_least else 0
        if not min(sides) - room <= getattr(said, name) <= max(sides) + room:
            return False
    if more.days_since is None:
        return said.days_since is None
    if said.days_since is None:
        return less.days_since is None
    return said.days_since >= more.days_since and (
        less.days_since is None or said.days_since <= less.days_since
    )
