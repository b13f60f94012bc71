"""A state of a store: what is read of it in one transaction."""

from collections.abc import Iterable, Sequence
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
from consumer.memory.facts.pasts import BusinessPast, PersonPast, with_pending
from consumer.memory.facts.totals import Series
from consumer.memory.view import Pending
from model.history.facts import DAY, ClaimFact, ClaimRef
from model.history.past import Past
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

    def end(self) -> None:
        """Let go of what was read.

        It refers back to the state. LMDB takes a transaction for open as long as anything refers to
        it, has room for a hundred, and the collector of cycles comes rarely.
        """
        self._pasts.clear()

    def pasts(self, entities: Iterable[EntityKey], as_of: int) -> dict[int, list[Past | None]]:
        """What is known of some entities before a moment, by kind; see `claim_history`."""
        found: dict[int, list[Past | None]] = {}
        kept = self._pasts.get(as_of)
        if kept is None:
            kept = self._pasts[as_of] = {}
        for entity in entities:
            if entity in kept:
                past = kept[entity]
            else:
                past = kept[entity] = self._read(entity, as_of)
            if entity[0] in found:
                found[entity[0]].append(past)
            else:
                found[entity[0]] = [past]
        return found

    def _read(self, entity: EntityKey, as_of: int) -> Past | None:
        layout, key = self._layout, key_of(entity)
        # A pending fact that is not seen yet takes the place of none that is: of two about one
        # claim, the earlier counts.
        floored = map(_floored, self._pending.get(entity, ()))
        more = [fact for fact in floored if fact.known_at < as_of]
        business = entity[0] in layout.business
        most = (layout.bounds.business if business else layout.bounds.person) + 1 + len(more)
        facts = self.latest(key, as_of, most)
        if not facts and not more:
            return None
        past = (BusinessPast if business else PersonPast)(self, key, facts, layout.bounds.span)
        return with_pending(past, more, layout.bounds.span) if more else past

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
