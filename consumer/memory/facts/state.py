"""A state of a store: what is read of it in one transaction."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from consumer.memory.facts.entries import (
    CLAIM,
    NOTHING,
    Entry,
    Extract,
    Follows,
    KeyBytes,
    StoredFact,
    decode,
    edge,
    follows,
    key_of,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.pasts import FactsPast, PendingFacts, PendingPast, TotalsPast
from consumer.memory.facts.totals import Series
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

MOST_KEPT: Final = 50_000
"""Entities of which is kept what claims are told."""


class KeptHistories:
    """What claims of the latest day are told of business-like entities that have no fact about
    them: as they see earlier days only, it stays the same until something of these is applied.
    """

    def __init__(self) -> None:
        self._as_of = -1
        self._known: dict[EntityKey, KnownEntity] = {}

    def of(self, as_of: int, earlier: dict[EntityKey, KnownEntity]) -> dict[EntityKey, KnownEntity]:
        """What claims of a moment are told, to be added to; `earlier` if later ones were told."""
        if as_of < self._as_of:
            return earlier
        if as_of > self._as_of or len(self._known) > MOST_KEPT:
            self._as_of, self._known = as_of, {}
        return self._known

    def applied(self, writing: Writing) -> None:
        """Forget what was told of entities of which something has changed."""
        for key in writing.changed_before(self._as_of):
            self._known.pop((key[0], key[1:]), None)

    def forget(self) -> None:
        """Forget all."""
        self._as_of, self._known = -1, {}


class StoreState:
    """What is read as of one moment of the store. What was read is kept, as claims of a batch name
    the same entities.

    Args:
        layout: of the store.
        txn: of LMDB.
        cursor: of the facts.
        pending: facts that are not in the store yet.
        told: what earlier batches were told.
    """

    def __init__(
        self, layout: Layout, txn: Any, cursor: Any, pending: Pending, told: "KeptHistories"
    ) -> None:
        self._layout = layout
        self._get = txn.get
        self._cursor = cursor
        self._pending = pending
        self._follows: dict[ClaimRef, Follows] = {}
        self._told = told
        self._pasts: dict[int, dict[EntityKey, Past | None]] = {}
        """By moment."""
        self._apart: dict[int, dict[EntityKey, KnownEntity]] = {}
        """By moment, what strangers are told in this transaction only."""
        self._earliest: dict[EntityKey, int] = {}
        """When the first pending fact became known, by entities that have any."""
        self._waiting: dict[EntityKey, PendingFacts] = {}

    def end(self) -> None:
        """Let go of what was read.

        It refers back to the state. LMDB takes a transaction for open as long as anything refers to
        it, has room for a hundred, and the collector of cycles comes rarely.
        """
        self._pasts.clear()
        self._waiting.clear()

    def history(self, asked: Asked) -> ClaimHistory:
        """The history of a claim."""
        claim, entities, as_of = asked
        pending, itself = self._pending, self.follows(claim).facts
        business = self._layout.business
        apart = self._apart.setdefault(as_of, {})
        told = self._told.of(as_of, apart)
        named = []
        for entity in entities:
            kind, key = entity[0], key_of(entity)
            waits = entity in pending and self._waits(entity, as_of)
            if waits or key in itself:
                past = self._past(entity, as_of)
                own = None if past is None else past.own(claim)
                if own is not None:
                    named.append((kind, self._features(entity, past, own, as_of)))
                    continue
            kept = apart if waits or kind not in business else told
            known = kept.get(entity)
            if known is None:
                past = self._past(entity, as_of) if waits else self._stored(kind, key, as_of)
                known = NEVER_SEEN if past is None else self._features(entity, past, None, as_of)
                kept[entity] = known
            named.append((kind, known))
        return claim_history(self._layout.kinds, named)

    def _waits(self, entity: EntityKey, as_of: int) -> bool:
        """Whether any pending fact of an entity is seen."""
        earliest = self._earliest.get(entity)
        if earliest is None:
            known = [fact.known_at for fact in self._pending[entity].values()]
            earliest = self._earliest[entity] = start_of_day(min(known))
        return earliest < as_of

    def is_common(self, entity: EntityKey, claim: ClaimRef, as_of: int) -> bool:
        """Whether an entity is taken for a placeholder, as a claim sees it."""
        past, layout = self._past(entity, as_of), self._layout
        own = None if past is None else past.own(claim)
        return is_common(past, layout.kinds[entity[0]], own, as_of, layout.bounds)

    def _features(
        self, entity: EntityKey, past: Past | None, own: Own | None, as_of: int
    ) -> KnownEntity:
        layout = self._layout
        return entity_features(past, layout.kinds[entity[0]], own, as_of, layout.bounds)

    def _past(self, entity: EntityKey, as_of: int) -> Past | None:
        kept = self._pasts.setdefault(as_of, {})
        if entity not in kept:
            kept[entity] = self._read(entity, as_of)
        return kept[entity]

    def _read(self, entity: EntityKey, as_of: int) -> Past | None:
        layout, key = self._layout, key_of(entity)
        waiting = None
        if entity in self._pending and self._waits(entity, as_of):
            waiting = self._waiting.get(entity)
            if waiting is None:
                pending = map(_floored, self._pending[entity].values())
                waiting = self._waiting[entity] = PendingFacts(self, key, pending, layout.bounds)
        gone = waiting.gone if waiting else ()
        past = self._stored(entity[0], key, as_of, gone)
        if not waiting:
            return past
        past = past or FactsPast(self, key, (), layout.span)
        return PendingPast(past, waiting, as_of, layout.most[entity[0]] + 1)

    def _stored(
        self, kind: int, key: KeyBytes, as_of: int, gone: Collection[ClaimRef] = ()
    ) -> FactsPast | None:
        """What the store has of an entity; see `latest`."""
        layout = self._layout
        most = layout.most[kind] + 1
        facts = self.latest(key, as_of, most, gone)
        if not facts:
            return None
        many = len(facts) == most and kind in layout.business
        return (TotalsPast if many else FactsPast)(self, key, facts, layout.span)

    def latest(
        self, key: KeyBytes, moment: int, most: int, gone: Collection[ClaimRef] = ()
    ) -> Sequence[StoredFact]:
        """The latest facts of an entity before a moment, at most so many, in order.

        Args:
            key: of the entity.
            moment: facts of it or of later ones are left out.
            most: how many.
            gone: facts about these claims are left out.
        """
        cursor = self._cursor
        if not cursor.set_key(key):
            return ()
        cursor.last_dup()
        facts, end = list(islice(cursor.iterprev_dup(), most)), edge(moment)
        if gone or facts[0] >= end:
            if not cursor.set_range_dup(key, end):
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

    def series(self, key: KeyBytes, series: Series) -> bytes | None:
        """See `Reads`."""
        found: bytes | None = self._get(key + series, db=self._layout.totals)
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
