"""Records of the log taken into a store, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from consumer.memory.facts.apart import Apart
from consumer.memory.facts.entries import (
    KEY_BYTES,
    Entry,
    Extract,
    Follows,
    KeyBytes,
    changed,
    decode,
    encode,
    encode_extract,
    follows,
    kept_claim,
    named_by,
    stored,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.totals import CLAIMS, Series, added, outcome_changes
from consumer.memory.view import LogFact
from model.history.facts import DAY, ClaimFact, ClaimRef, claim_ref
from schemas.memory import FactKind, RememberedClaim

FactRow = tuple[KeyBytes, bytes]
MANY: Final = 100
"""Rows from which it pays to have NumPy sort them."""
_BEGINNING: Final = np.dtype([("begin", ">u8"), ("end", f"V{KEY_BYTES - 8}")])
_key: Final = itemgetter(0)


class Writing:
    """Changes of one transaction, gathered so that each key is written once."""

    def __init__(self, layout: Layout, txn: Any) -> None:
        self._layout = layout
        self._txn = txn
        self._new: list[tuple[KeyBytes, bytes]] = []
        """Facts of claims of which nothing was known."""
        self._put: list[tuple[KeyBytes, bytes]] = []
        self._gone: list[tuple[KeyBytes, bytes]] = []
        self._named: dict[int, list[KeyBytes]] = defaultdict(list)
        """Business-like entities of new claims, by day, as often as they are named."""
        self._totals: dict[bytes, dict[int, int]] = {}
        """Changes of series by day."""

    def write(self, by_claim: Mapping[str, Sequence[LogFact]]) -> None:
        """Take in records by the ids of their claims."""
        txn, layout = self._txn, self._layout
        for claim_id, told in by_claim.items():
            if len(told) > 1 or not self._is_new(claim_id, told[0]):
                self._changed(claim_id, told)
        for key, value in self._gone:
            txn.delete(key, value, db=layout.facts)
        with txn.cursor(layout.facts) as cursor:
            cursor.putmulti(in_order(self._new + self._put))
        for day, named in self._named.items():
            for entity, claims in Counter(named).items():
                self._count(entity + CLAIMS, day, claims)
        with txn.cursor(layout.totals) as cursor:
            cursor.putmulti(list(self._series()))

    def _series(self) -> Iterator[tuple[bytes, bytes]]:
        """Series that are changed, in order; those of which nothing is left are deleted."""
        get, db = self._txn.get, self._layout.totals
        for key, every in sorted(self._totals.items(), key=_key):
            changes = every if all(every.values()) else {d: by for d, by in every.items() if by}
            if not changes:
                continue
            series = added(get(key, db=db), changes)
            if series is None:
                self._txn.delete(key, db=db)
            else:
                yield key, series

    def changed_before(self, moment: int) -> set[KeyBytes]:
        """Business-like entities of which something changed that is seen as of a moment."""
        day = -(-moment // DAY)
        return {key[:-1] for key, changes in self._totals.items() if min(changes) < day}

    def _is_new(self, claim_id: str, told: LogFact) -> bool:
        """Take in a claim of which nothing was known, if all that it names counts; else False."""
        key, fact = told
        if not isinstance(fact, RememberedClaim) or key.kind != FactKind.CLAIM:
            return False
        claim, layout = claim_ref(claim_id), self._layout
        named = named_by(fact, layout.numbers)
        if len(named) > layout.bounds.names:
            return False
        record = kept_claim(key, fact, named)
        entry = encode(Entry(claim_id, (record,)))
        if not self._txn.put(claim, entry, overwrite=False, db=layout.claims):
            return False
        value = stored(record.day, claim, record.policy)
        self._new += [(entity, value) for entity in named]
        business = layout.business
        self._named[record.day] += [entity for entity in named if entity[0] in business]
        return True

    def _changed(self, claim_id: str, told: Sequence[LogFact]) -> None:
        """Replace what followed from a claim by what follows now."""
        txn, layout, claim = self._txn, self._layout, claim_ref(claim_id)
        former = txn.get(claim, db=layout.claims)
        entry = None if former is None else decode(former)
        now: Entry | Extract | None
        if isinstance(entry, Extract):
            now = Apart(layout, txn, claim).changed(entry, told, layout.numbers)
        else:
            now = changed(entry, told, layout.numbers)
            if now is not None and len(now.claims) + len(now.findings) > layout.most_records:
                now = Apart(layout, txn, claim).begun(now)
        if now is not None:
            kept = encode_extract(now) if isinstance(now, Extract) else encode(now)
            txn.put(claim, kept, db=layout.claims)
        elif former is not None:
            txn.delete(claim, db=layout.claims)
        was, follow = follows(entry, claim, layout.bounds), follows(now, claim, layout.bounds)
        if was == follow:
            return
        gone, put = self._rows(was, follow, claim, -1), self._rows(follow, was, claim, 1)
        self._gone += gone - put
        self._put += put - gone

    def _rows(
        self, follow: Follows, other: Follows, claim: ClaimRef, by: int
    ) -> set[tuple[KeyBytes, bytes]]:
        """The facts of a claim, but those that are the same before and after."""
        layout, same = self._layout, follow.findings == other.findings
        rows = set()
        seen: ClaimFact | None = None
        value, counted = b"", list[tuple[Series, int]]()
        for key, fact in follow.facts.items():
            if same and other.facts.get(key) == fact:
                continue
            if fact is not seen:  # one record names all of them, as a rule
                seen, day = fact, fact.known_at // DAY
                value = stored(day, claim, fact.policy, follow.findings)
                counted = [(CLAIMS, day), *outcome_changes(fact, follow.findings, layout.span)]
            rows.add((key, value))
            if key[0] in layout.business:
                for series, day in counted:
                    self._count(key + series, day, by)
        return rows

    def _count(self, place: bytes, day: int, by: int) -> None:
        changes = self._totals.get(place)
        if changes is None:
            self._totals[place] = {day: by}
        else:
            changes[day] = changes.get(day, 0) + by


def in_order(rows: Sequence[FactRow]) -> Sequence[FactRow]:
    """Rows in about the order of the table, as it is written faster then.

    The order of rows of one entity makes no difference, nor does it of those that begin alike.
    """
    if len(rows) < MANY:
        return sorted(rows, key=_key)
    keys = np.frombuffer(b"".join([key for key, _ in rows]), _BEGINNING)["begin"]
    return [rows[place] for place in np.argsort(keys).tolist()]
