"""A state of a store: what is read of it in one transaction."""

from itertools import islice
from typing import Any

import msgspec

from consumer.memory.facts.entries import (
    NOTHING,
    EntityFact,
    Entry,
    Follows,
    KeyBytes,
    before,
    decode,
    facts_of,
    follows,
    key_of,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.pasts import BusinessPast, PersonPast, day_from, with_pending
from consumer.memory.facts.totals import Series
from consumer.memory.view import Pending
from model.history.facts import DAY, ClaimFact, ClaimRef
from model.history.past import Past
from model.history.store import EntityKey


class StoreState:
    """A state of the store: reads in one transaction. Rows are kept for its time."""

    def __init__(self, layout: Layout, txn: Any, cursor: Any) -> None:
        self._layout = layout
        self._txn = txn
        self._cursor = cursor
        self._follows: dict[ClaimRef, Follows] = {}
        self._pasts: dict[tuple[EntityKey, int], Past | None] = {}

    def end(self) -> None:
        """Let go of what was read.

        It refers back to the state. LMDB takes a transaction for open as long as anything refers to
        it, has room for a hundred, and the collector of cycles comes rarely.
        """
        self._pasts.clear()

    def past(self, entity: EntityKey, as_of: int, pending: Pending) -> Past | None:
        """What is known of an entity before a moment; None if it was never seen."""
        place = entity, as_of
        if place in self._pasts:
            return self._pasts[place]
        key, layout = key_of(entity), self._layout
        bounds, more = layout.bounds, pending.get(entity, ())
        business = entity[0] in layout.business
        most = (bounds.business if business else bounds.person) + 1 + len(more)
        facts = self.latest(key, day_from(as_of), most)
        past: Past | None = None
        if facts:
            past = (
                BusinessPast(self, key, facts)
                if business
                else PersonPast(self, key, facts, bounds.span)
            )
        if more:
            seen = [_floored(fact) for fact in more]
            # What is not seen yet takes the place of nothing that is: of two facts about one claim,
            # the earlier counts.
            seen = [fact for fact in seen if fact.known_at < as_of]
            past = with_pending(self, key, past, seen, bounds.span) if seen else past
        self._pasts[place] = past
        return past

    def latest(self, key: KeyBytes, day: int, most: int) -> list[EntityFact]:
        """See `Reads`."""
        cursor = self._cursor
        if not cursor.set_key(key):
            return []
        cursor.last_dup()
        edge = before(day)
        if cursor.value() >= edge:
            cursor.set_range_dup(key, edge)
            if not cursor.prev_dup():
                return []
        values = list(islice(cursor.iterprev_dup(), most))
        values.reverse()
        return facts_of(values)

    def series(self, key: KeyBytes, series: Series) -> bytes | None:
        """See `Reads`."""
        found: bytes | None = self._txn.get(key + series.to_bytes(), db=self._layout.totals)
        return found

    def entry(self, claim: ClaimRef) -> Entry:
        """What is kept of a claim that a fact is about."""
        return decode(self._txn.get(claim, db=self._layout.claims))

    def follows(self, claim: ClaimRef) -> Follows:
        """See `Reads`."""
        found = self._follows.get(claim)
        if found is None:
            kept = self._txn.get(claim, db=self._layout.claims)
            found = self._follows[claim] = NOTHING if kept is None else follows(decode(kept), claim)
        return found


def _floored(fact: ClaimFact) -> ClaimFact:
    known_at = fact.known_at // DAY * DAY
    return fact if known_at == fact.known_at else msgspec.structs.replace(fact, known_at=known_at)
