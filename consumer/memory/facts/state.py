"""A snapshot of a store: what is read from it in one transaction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from consumer.memory.facts.entries import (
    CLAIM,
    FOUND,
    NO_POLICY,
    NOTHING,
    POLICY,
    Entry,
    Extract,
    Follows,
    KeyBytes,
    StoredFact,
    decode,
    edge,
    follows,
    key_of,
    known_at,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.pasts import FactsPast, PendingFacts, PendingPast, TotalsPast
from consumer.memory.facts.totals import Series, SeriesRows, rows_of
from consumer.memory.facts.writing import Writing
from consumer.memory.view import Asked, Pending
from model.history.facts import ClaimFact, ClaimRef, start_of_day
from model.history.features import (
    NEVER_SEEN,
    ClaimHistory,
    KnownEntity,
    claim_history,
    entity_features,
    is_common,
)
from model.history.past import Own, Past
from model.history.store import EntityKey

ONCE: Final = b"\xff" * 5
"""Sorts after all edges: for a past that is right for one moment only."""
MOST_KEPT: Final = 50_000
"""Entities for which answers are kept, at most."""

Shape = tuple[int, int, bool]
"""Of an entity named by one claim, on which nothing was found: the number of its kind, how long the
claim has been known, and whether it states no policy."""


class KeptHistories:
    """What claims of the latest day are told about business-like entities that have no fact about
    them: as they see only earlier days, it stays the same until a fact from those is applied.
    """

    def __init__(self) -> None:
        self._as_of = -1
        self._known: dict[EntityKey, KnownEntity] = {}
        self.alike: dict[Shape, KnownEntity] = {}
        """What claims of any day are told about entities that look alike; callers add to it."""

    def of(self, as_of: int, earlier: dict[EntityKey, KnownEntity]) -> dict[EntityKey, KnownEntity]:
        """What claims of a moment are told, to add to; `earlier` if later ones were told."""
        if as_of < self._as_of:
            return earlier
        if as_of > self._as_of or len(self._known) > MOST_KEPT:
            self._as_of, self._known = as_of, {}
        return self._known

    def applied(self, writing: Writing) -> None:
        """Forget what was told about entities that have changed."""
        for key in writing.changed_before(self._as_of):
            self._known.pop((key[0], key[1:]), None)

    def forget(self) -> None:
        """Forget everything."""
        self._as_of, self._known = -1, {}


class StoreState:
    """What is read from one snapshot of the store. It is kept, as claims in a batch name the same
    entities.

    Args:
        layout: of the store.
        txn: an LMDB transaction.
        cursor: over the facts.
        totals: a cursor over the series.
        pending: facts that are not in the store yet.
        told: what earlier batches were told.
    """

    def __init__(
        self,
        layout: Layout,
        txn: Any,
        cursor: Any,
        totals: Any,
        pending: Pending,
        told: "KeptHistories",
    ) -> None:
        self._layout = layout
        self._get = txn.get
        self._cursor = cursor
        self._totals = totals
        self._pending = pending
        self._follows: dict[ClaimRef, Follows] = {}
        self._told = told
        self._pasts: dict[KeyBytes, FactsPast] = {}
        """What the store has, by entity."""
        self._merged: dict[EntityKey, PendingPast] = {}
        """The same with pending facts."""
        self._apart: dict[int, dict[EntityKey, KnownEntity]] = {}
        """By moment, what strangers are told in this transaction only."""
        self._several = True
        """Whether claims ask as of several moments. If not, strangers are told about an entity only
        once, and its facts are not kept: of thousands, few would still be in the CPU caches."""
        self._as_of = -1
        """The moment of the previous claim: most claims are followed by one of the same day."""
        self._now = self._of_day = dict[EntityKey, KnownEntity]()
        self._earliest: dict[EntityKey, int] = {}
        """When the first pending fact became known, by entity that has any."""
        self._waiting: dict[EntityKey, PendingFacts] = {}
        self._series: dict[KeyBytes, dict[Series, SeriesRows]] = {}

    def end(self) -> None:
        """Release what was read.

        It refers back to the state. LMDB keeps a transaction open as long as anything refers to it,
        and has room for a hundred; the cyclic garbage collector runs rarely.
        """
        self._pasts.clear()
        self._merged.clear()
        self._waiting.clear()

    def histories(self, asked: Sequence[Asked]) -> list[ClaimHistory]:
        """The history of each claim."""
        self._several = len({one.as_of for one in asked}) > 1
        return list(map(self._history, asked))

    def _history(self, asked: Asked) -> ClaimHistory:
        claim, entities, as_of = asked
        pending, earliest = self._pending, self._earliest
        itself = self.follows(claim).facts
        business = self._layout.business
        if as_of != self._as_of:
            self._as_of, self._now = as_of, self._apart.setdefault(as_of, {})
            self._of_day = self._told.of(as_of, self._now)
        apart, told = self._now, self._of_day
        named = []
        for entity in entities:
            kind = entity[0]
            waits = entity in pending and (earliest.get(entity) or self._first(entity)) < as_of
            if waits or (itself and key_of(entity) in itself):
                key = key_of(entity)
                past = (
                    self._with_pending(entity, key, as_of)
                    if waits
                    else self._stored(kind, key, as_of)
                )
                own = None if past is None else past.own(claim)
                if own is not None and own.known_at < as_of:
                    named.append((kind, self._features(kind, past, own, as_of)))
                    continue
            kept = apart if waits or kind not in business else told
            known = kept.get(entity)
            if known is None:
                known = kept[entity] = self._strangers(entity, as_of, waits=waits)
            named.append((kind, known))
        return claim_history(self._layout.kinds, named)

    def _strangers(self, entity: EntityKey, as_of: int, *, waits: bool) -> KnownEntity:
        """What is told to claims that no fact of the entity is about."""
        kind, key = entity[0], key_of(entity)
        if waits:
            return self._features(kind, self._with_pending(entity, key, as_of), None, as_of)
        if key not in self._pasts:
            if not self._cursor.set_key(key):
                return NEVER_SEEN
            facts = self._back(self._layout.read[kind])
            if len(facts) == 1 and not facts[0][FOUND]:
                return self._of_one(kind, key, facts, as_of)
            past = self._made(kind, key, facts)
            if self._several:
                self._pasts[key] = past
            if past.since < edge(as_of):
                return self._features(kind, past, None, as_of)
        return self._features(kind, self._stored(kind, key, as_of), None, as_of)

    def _of_one(
        self, kind: int, key: KeyBytes, facts: Sequence[StoredFact], as_of: int
    ) -> KnownEntity:
        """What is told about an entity named by one claim, on which nothing was found.

        Most entities seen at all were seen once, and for many of these the answer is the same.
        """
        (fact,) = facts
        shape = (kind, as_of - known_at(fact), fact[POLICY] == NO_POLICY)
        alike = self._told.alike
        found = alike.get(shape)
        if found is None:
            found = self._features(kind, self._made(kind, key, facts), None, as_of)
            if len(alike) > MOST_KEPT:
                alike.clear()
            alike[shape] = found
        return found

    def _first(self, entity: EntityKey) -> int:
        """When the first pending fact of an entity became known; it has at least one."""
        known = [fact.known_at for fact in self._pending[entity].values()]
        earliest = self._earliest[entity] = start_of_day(
            known[0] if len(known) == 1 else min(known)
        )
        return earliest

    def is_common(self, entity: EntityKey, claim: ClaimRef, as_of: int) -> bool:
        """Whether a claim that sees only the store takes an entity for a placeholder."""
        layout = self._layout
        past = self._stored(entity[0], key_of(entity), as_of)
        own = None if past is None else past.own(claim)
        return is_common(past, layout.kinds[entity[0]], own, as_of, layout.bounds)

    def _features(self, kind: int, past: Past | None, own: Own | None, as_of: int) -> KnownEntity:
        layout = self._layout
        return entity_features(past, layout.kinds[kind], own, as_of, layout.bounds)

    def _with_pending(self, entity: EntityKey, key: KeyBytes, as_of: int) -> PendingPast:
        layout, kind = self._layout, entity[0]
        end, most = edge(as_of), layout.read[kind]
        merged = self._merged.get(entity)
        if merged is not None and merged.since < end:
            return merged
        waiting = self._waiting.get(entity)
        if waiting is None:
            pending = map(_floored, self._pending[entity].values())
            waiting = self._waiting[entity] = PendingFacts(self, key, pending, layout.bounds)
        past = self._stored(kind, key, as_of)
        right_later = past is None or past.since < end
        if past is not None and waiting.gone:
            facts: Sequence[StoredFact]
            if past.since:
                # Others take the place of those that are gone.
                facts, right_later = self.latest(key, as_of, most, waiting.gone), False
            else:
                facts = [fact for fact in past.facts if fact[CLAIM] not in waiting.gone]
            past = self._made(kind, key, facts) if facts else None
        past = past or FactsPast(self, key, (), layout.span)
        if not right_later:
            return PendingPast(past, waiting, waiting.latest(end, most))
        merged = self._merged[entity] = PendingPast(past, waiting, waiting.facts)
        return merged

    def _stored(self, kind: int, key: KeyBytes, as_of: int) -> FactsPast | None:
        """What the store has on an entity, right as of a moment; None if that is nothing.

        The latest facts are read once. If they do not go back to before the moment, some more are
        read, once; if that is not enough, those before the moment.
        """
        end, pasts, most = edge(as_of), self._pasts, self._layout.read[kind]
        past = pasts.get(key)
        if past is None:
            facts = self._last(key, most)
            if not facts:
                return None
            past = pasts[key] = self._made(kind, key, facts)
        if past.since < end:
            return past
        if len(past.facts) == most:
            more = self._last(key, most + self._layout.bounds.business)
            past = pasts[key] = self._made(kind, key, more)
            if past.since < end:
                return past
        past = self._made(kind, key, self.latest(key, as_of, most))
        past.since = ONCE
        return past

    def _made(self, kind: int, key: KeyBytes, facts: Sequence[StoredFact]) -> FactsPast:
        """An entity's past, from its latest facts: at least as many as are looked at, or all."""
        layout = self._layout
        most = layout.read[kind]
        many = len(facts) >= most
        since = facts[most - 1] if many else b""
        if many and kind in layout.business:
            return TotalsPast(self, key, facts, layout.span, since)
        return FactsPast(self, key, facts, layout.span, since)

    def _last(self, key: KeyBytes, most: int) -> Sequence[StoredFact]:
        """The latest facts of an entity, at most `most`, in order."""
        return self._back(most) if self._cursor.set_key(key) else ()

    def _back(self, most: int) -> Sequence[StoredFact]:
        """The same for the entity at the cursor."""
        cursor = self._cursor
        cursor.last_dup()
        facts: list[StoredFact] = list(islice(cursor.iterprev_dup(), most))
        facts.reverse()
        return facts

    def latest(
        self, key: KeyBytes, moment: int, most: int, gone: Collection[ClaimRef] = ()
    ) -> Sequence[StoredFact]:
        """The latest facts of an entity before a moment, in order.

        Args:
            key: of the entity.
            moment: facts from then on are left out.
            most: how many at most.
            gone: facts about these claims are left out.
        """
        cursor = self._cursor
        if not cursor.set_key(key):
            return ()
        if not cursor.set_range_dup(key, edge(moment)):
            cursor.set_key(key)
            cursor.last_dup()
        elif not cursor.prev_dup():
            return ()
        seen: Iterator[StoredFact] = cursor.iterprev_dup()
        if gone:
            seen = (fact for fact in seen if fact[CLAIM] not in gone)
        facts = list(islice(seen, most))
        facts.reverse()
        return facts

    def series(self, key: KeyBytes) -> Mapping[Series, SeriesRows]:
        """See `Reads`."""
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = {}
            # They are stored one after the other.
            if self._totals.set_range(key):
                for place, rows in self._totals.iternext():
                    if place[:-1] != key:
                        break
                    found[place[-1:]] = rows_of(rows)
        return found

    def entry(self, claim: ClaimRef) -> Entry | Extract:
        """What is kept of a claim that a fact is about."""
        return decode(self._get(claim, db=self._layout.claims))

    def follows(self, claim: ClaimRef) -> Follows:
        """See `Reads`."""
        found = self._follows.get(claim)
        if found is None:
            kept = self._get(claim, db=self._layout.claims)
            found = NOTHING
            if kept is not None:
                found = follows(decode(kept), claim, self._layout.bounds)
            self._follows[claim] = found
        return found


def _floored(fact: ClaimFact) -> ClaimFact:
    known_at = start_of_day(fact.known_at)
    return fact if known_at == fact.known_at else msgspec.structs.replace(fact, known_at=known_at)
