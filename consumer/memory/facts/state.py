"""A state of a store: what is read of it in one transaction."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from consumer.memory.facts.entries import (
    NOTHING,
    Entry,
    Follows,
    KeyBytes,
    StoredFact,
    decode,
    edge,
    follows,
    key_of,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.pasts import FactsPast, TotalsPast, with_pending
from consumer.memory.facts.totals import Series
from consumer.memory.view import Asked, Pending
from model.history.facts import DAY, ClaimFact, ClaimRef
from model.history.features import ClaimHistory, Known, claim_history, entity_features
from model.history.past import Own, Past
from model.history.store import EntityKey


class StoreState:
    """What is read as of one moment of the store. What was read is kept, as claims of a batch name
    the same entities.

    Args:
        layout: of the store.
        txn: of LMDB.
        cursor: of the facts.
        pending: facts that are not in the store yet.
    """

    def __init__(self, layout: Layout, txn: Any, cursor: Any, pending: Pending) -> None:
        self._layout = layout
        self._get = txn.get
        self._cursor = cursor
        self._pending = pending
        self._follows: dict[ClaimRef, Follows] = {}
        self._pasts: dict[int, dict[EntityKey, Past | None]] = {}
        """By moment."""
        self._known: dict[int, dict[EntityKey, Known]] = {}
        """By moment, what claims are told that the entity has no fact about."""

    def end(self) -> None:
        """Let go of what was read.

        It refers back to the state. LMDB takes a transaction for open as long as anything refers to
        it, has room for a hundred, and the collector of cycles comes rarely.
        """
        self._pasts.clear()

    def history(self, asked: Asked) -> ClaimHistory:
        """The history of a claim."""
        claim, entities, as_of = asked
        strangers = self._known.setdefault(as_of, {})
        pasts = self._pasts.setdefault(as_of, {})
        named = []
        for entity in entities:
            if entity in pasts:
                past = pasts[entity]
            else:
                past = pasts[entity] = self._read(entity, as_of)
            own = None if past is None else past.own(claim)
            if own is not None:
                known = self._told(entity, past, own, as_of)
            elif entity in strangers:
                known = strangers[entity]
            else:
                known = strangers[entity] = self._told(entity, past, None, as_of)
            named.append((entity[0], known))
        return claim_history(self._layout.kinds, named)

    def known(self, entity: EntityKey, claim: ClaimRef, as_of: int) -> Known:
        """What a claim is told of an entity."""
        past = self._read(entity, as_of)
        return self._told(entity, past, None if past is None else past.own(claim), as_of)

    def _told(self, entity: EntityKey, past: Past | None, own: Own | None, as_of: int) -> Known:
        layout = self._layout
        return entity_features(past, layout.kinds[entity[0]], own, as_of, layout.bounds)

    def _read(self, entity: EntityKey, as_of: int) -> Past | None:
        layout, key = self._layout, key_of(entity)
        more = self._pending.get(entity, ())
        business = entity[0] in layout.business
        most = (layout.bounds.business if business else layout.bounds.person) + 1 + len(more)
        facts = self.latest(key, as_of, most)
        if not facts and not more:
            return None
        many = business and len(facts) == most
        past = (TotalsPast if many else FactsPast)(self, key, facts, layout.span)
        if not more:
            return past
        # A pending fact that is not seen yet takes the place of none that is: of two about one
        # claim, the earlier counts.
        seen = [fact for fact in map(_floored, more) if fact.known_at < as_of]
        return with_pending(past, seen, layout.span) if seen else past

    def latest(self, key: KeyBytes, moment: int, most: int) -> Sequence[StoredFact]:
        """The latest facts of an entity before a moment, at most so many, in order."""
        cursor = self._cursor
        if not cursor.set_key(key):
            return ()
        cursor.last_dup()
        end = edge(moment)
        if cursor.value() >= end:
            cursor.set_range_dup(key, end)
            if not cursor.prev_dup():
                return ()
        facts = list(islice(cursor.iterprev_dup(), most))
        facts.reverse()
        return facts

    def series(self, key: KeyBytes, series: Series) -> bytes | None:
        """See `Reads`."""
        found: bytes | None = self._get(key + series, db=self._layout.totals)
        return found

    def entry(self, claim: ClaimRef) -> Entry:
        """What is kept of a claim that a fact is about."""
        return decode(self._get(claim, db=self._layout.claims))

    def follows(self, claim: ClaimRef) -> Follows:
        """See `Reads`."""
        found = self._follows.get(claim)
        if found is None:
            kept = self._get(claim, db=self._layout.claims)
            found = self._follows[claim] = NOTHING if kept is None else follows(decode(kept), claim)
        return found


def _floored(fact: ClaimFact) -> ClaimFact:
    known_at = fact.known_at // DAY * DAY
    return fact if known_at == fact.known_at else msgspec.structs.replace(fact, known_at=known_at)
