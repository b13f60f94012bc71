"""Whether alerts say what the log says was known when their claims came in. Pure."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import asdict

from consumer.batch.recalled import VERSION, Recalled, entity_histories
from consumer.history.access.scan import LogRecord
from consumer.history.recomputed.alerts import StatedHistory
from consumer.memory.facts.entries import KeptClaim, keys_in
from consumer.memory.log import claim_fact
from model.history.facts import ClaimRef, OutcomeFact, claim_ref, start_of_day
from model.history.features import COMMON, ClaimHistory
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore, EntityKey
from schemas.alert import EntityHistory
from schemas.memory import RememberedClaim, RememberedFinding

SLACK_MS: Final = 10_000
"""Workers' clocks differ, and a transaction takes a while: an alert may not have seen what was
written this shortly before it."""
_COUNTS: Final = ("claims_30d", "claims_90d", "claims_365d", "policies", "decided", "frauds")


class HistoryVerdict(enum.StrEnum):
    """What became of the comparison of one alert with the log."""

    EQUAL = "equal"
    FEWER = "fewer"
    """It did not know yet what came into the log around the time it was scored, or later."""
    WRONG = "wrong"
    GONE = "gone"
    """Its claim is not in the log any more: it was forgotten."""


HistoryByKind = Mapping[str, EntityHistory]
"""What was known, by kind of entity."""


class KnownHistory(NamedTuple):
    """What is known about a claim's people and things."""

    histories: HistoryByKind
    common: frozenset[str]
    """Flags of kinds that are taken for placeholders."""


def stated(alert: StatedHistory) -> KnownHistory:
    """What an alert says."""
    flags = frozenset(flag for flag in alert.data_quality if flag.startswith(f"{COMMON}:"))
    return KnownHistory({one.entity: one for one in alert.history or ()}, flags)


def known(kinds: Sequence[EntityKind], history: ClaimHistory) -> KnownHistory:
    """What an alert with this history would say."""
    (found,) = entity_histories(Recalled(tuple(kinds), [history], [0], 0, lambda _: {}))
    return KnownHistory({one.entity: one for one in found}, frozenset(history.flags))


def keys_of(record: KeptClaim) -> list[EntityKey]:
    """Whom a claim names in one of its records."""
    return [(key[0], key[1:]) for key in keys_in(record.named)]


def as_of(alert: StatedHistory) -> int:
    """The moment as of which an alert states its history, in milliseconds."""
    assert alert.memory is not None
    return round(alert.memory.as_of.timestamp() * 1_000)


def differences(own: KnownHistory, log: KnownHistory) -> Iterator[str]:
    """Where an alert differs from the log, in words; nothing if all values are equal."""
    for kind in sorted({*own.histories, *log.histories}):
        said, found = own.histories.get(kind), log.histories.get(kind)
        if said is None or found is None:
            yield f"{kind}: {_present(said)} in the alert, {_present(found)} by the log"
            continue
        by_log = asdict(found)
        for name, value in asdict(said).items():
            if value != by_log[name]:
                yield f"{kind}: {name} is {value}, by the log {by_log[name]}"
    for flag in sorted(own.common ^ log.common):
        where = "the alert" if flag in own.common else "the log"
        yield f"{flag} only by {where}"


def _present(found: EntityHistory | None) -> str:
    return "no history" if found is None else "a history"


def late(alert: StatedHistory, records: Sequence[LogRecord]) -> list[LogRecord]:
    """Records that the alert may not have seen, the earliest first."""
    assert alert.memory is not None
    seen = round(alert.scored_at.timestamp() * 1_000) - alert.memory.behind_ms - SLACK_MS
    return sorted((r for r in records if r.written_ms >= seen), key=lambda r: r.written_ms)


class ReplayedFacts:
    """Facts of the log in the store that training's replay uses, added one by one.

    Args:
        kinds: of entities, as the alert's model has them.
        bounds: how much is looked at.
        moment: only what became known before it is taken in.
    """

    def __init__(self, kinds: Sequence[EntityKind], bounds: Bounds, moment: int) -> None:
        self._store = DictStore(kinds, bounds)
        self._numbers = {kind.kind: number for number, kind in enumerate(kinds)}
        self._moment = moment

    def add(self, record: LogRecord) -> bool:
        """Take in a record; True if it is a fact of an earlier day."""
        fact = record.told.fact
        if fact is None or start_of_day(fact.known_at) >= self._moment:
            return False
        if isinstance(fact, RememberedFinding):
            claim, day = claim_ref(fact.claim_id), start_of_day(fact.known_at)
            self._store.learn(OutcomeFact(claim=claim, known_at=day, fraud=fact.fraud))
            return True
        self._store.remember(claim_fact(fact), self._keys(fact))
        return True

    def history(self, claim: ClaimRef, keys: Sequence[EntityKey]) -> ClaimHistory:
        """What is known about those whom a claim names."""
        return self._store.history(claim, keys, self._moment)

    def _keys(self, fact: RememberedClaim) -> list[EntityKey]:
        numbers = self._numbers
        return [(numbers[kind], name) for kind, name in fact.entities if kind in numbers]


def explained(
    alert: StatedHistory,
    keys: Sequence[EntityKey],
    records: Sequence[LogRecord],
    kinds: Sequence[EntityKind],
    bounds: Bounds,
) -> bool:
    """Whether the alert is right without what it may not have seen, or without part of that.

    Args:
        alert: differs from the whole log.
        keys: whom its claim names.
        records: of all claims that name one of these.
        kinds: of entities, as the alert's model has them.
        bounds: how much is looked at.
    """
    unseen = late(alert, records)
    facts, claim, own = (
        ReplayedFacts(kinds, bounds, as_of(alert)),
        claim_ref(alert.claim_id),
        stated(alert),
    )
    not_yet = {id(record) for record in unseen}
    for record in records:
        if id(record) not in not_yet:
            facts.add(record)
    low = now = known(kinds, facts.history(claim, keys))
    if low == own:
        return True
    added = 0
    for record in unseen:
        if facts.add(record):
            added += 1
            now = known(kinds, facts.history(claim, keys))
            if now == own:
                return True
    # Workers see each other's facts in any order, so the alert's need not be any of these.
    return now != low and within(own, low, now, added)


def within(own: KnownHistory, low: KnownHistory, high: KnownHistory, added: int = 0) -> bool:
    """Whether every value is between those without late facts and those with all of them.

    Policies are counted among the latest claims only. If there are more claims, one more claim
    takes the place of another, so with some of the late facts there may be fewer policies than with
    none of them or all, or more; each fact changes the number by one at most.

    Args:
        own: what the alert says.
        low: what is known without late facts.
        high: what is known with all of them.
        added: how many facts are late.
    """
    for kind in {*own.histories, *low.histories, *high.histories}:
        said, less, more = (one.histories.get(kind) for one in (own, low, high))
        if less is None or more is None:
            # Taken for a placeholder by one side: only that can be compared.
            if said is None and less is None and more is None:
                continue
            return False
        if said is None or not _between(said, less, more, added):
            return False
    return own.common >= (low.common & high.common) and own.common <= (low.common | high.common)


def _between(said: EntityHistory, less: EntityHistory, more: EntityHistory, added: int) -> bool:
    rate = said.frauds / said.decided if said.decided else None
    if said.fraud_rate != rate:
        return False
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


def of_another_version(alert: StatedHistory) -> bool:
    """Whether its history was computed by another function."""
    return alert.memory is None or alert.memory.version != VERSION
