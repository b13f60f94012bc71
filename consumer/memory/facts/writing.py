"""Takes log records into a store, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from consumer.memory.facts.apart import Apart
from consumer.memory.facts.entries import (
    CLAIM,
    FOUND,
    KEY_BYTES,
    Entry,
    Extract,
    Follows,
    KeyBytes,
    StoredFact,
    changed,
    decode,
    encode,
    encode_extract,
    follows,
    found_in,
    kept_claim,
    known_at,
    named_by,
    stored,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.totals import ALL, CLAIMS, ByDay, Series, added, outcome_changes
from consumer.memory.view import LogFact
from model.history.facts import DAY, ClaimRef, OutcomeFact, claim_ref
from schemas.memory import FactKind, RememberedClaim

FactRow = tuple[KeyBytes, StoredFact]
_Found = tuple[int, tuple[OutcomeFact, ...], int]
"""When a claim came in, what was found about it, and by how much to count it."""
MANY: Final = 100
"""Number of rows from which it pays to sort with NumPy."""
_BEGINNING: Final = np.dtype([("begin", ">u8"), ("end", f"V{KEY_BYTES - 8}")])
_key: Final = itemgetter(0)


class Writing:
    """Changes of one transaction, gathered so that each key is written once."""

    def __init__(self, layout: Layout, txn: Any) -> None:
        self._layout = layout
        self._txn = txn
        self._keys: list[KeyBytes] = []
        """Of the rows to put, with as many `_values`."""
        self._values: list[StoredFact] = []
        self._gone: list[FactRow] = []
        self._named: dict[int, list[KeyBytes]] = defaultdict(list)
        """Business-like entities of new claims, by day, as often as they are named."""
        self._counts: dict[KeyBytes, dict[int, int]] = {}
        """By business-like entity, how many more facts it has on a day; 0 if others instead."""
        self._outcomes: dict[KeyBytes, list[_Found]] = defaultdict(list)
        """The same for claims on which something was found."""

    def write(self, by_claim: Mapping[str, Sequence[LogFact]]) -> None:
        """Take in records, by claim id."""
        txn, layout = self._txn, self._layout
        for claim_id, told in by_claim.items():
            if len(told) > 1 or not self._is_new(claim_id, told[0]):
                self._changed(claim_id, told)
        for key, value in self._gone:
            txn.delete(key, value, db=layout.facts)
        for day, named in self._named.items():
            for entity, claims in Counter(named).items():
                self._count(entity, day, claims)
        with txn.cursor(layout.facts) as cursor:
            cursor.putmulti(in_order(self._keys, self._values))
            series = sorted(self._series(cursor))
        with txn.cursor(layout.totals) as cursor:
            cursor.putmulti(series)

    def _series(self, cursor: Any) -> Iterator[tuple[bytes, bytes]]:
        """Series that have changed; empty ones are deleted.

        An entity has series if it has as many facts as are read: few do, but most claims name one
        of these. Others are counted from their facts, and findings on them cost nothing here.
        Whether an entity has series follows from its facts alone.

        Args:
            cursor: over the facts, including all new ones.
        """
        get, delete, db = self._txn.get, self._txn.delete, self._layout.totals
        read = self._layout.read
        for key, changes in self._counts.items():
            facts, many = cursor.count() if cursor.set_key(key) else 0, read[key[0]]
            former = facts - sum(changes.values())
            if facts < many:
                for series in ALL if former >= many else ():
                    delete(key + series, db=db)
                continue
            counted = self._changes(key) if former >= many else self._all(cursor)
            for series, by_day in counted.items():
                every = {day: by for day, by in by_day.items() if by}
                if not every:
                    continue
                place = key + series
                rows = added(get(place, db=db), every)
                if rows is None:
                    delete(place, db=db)
                else:
                    yield place, rows

    def _changes(self, key: KeyBytes) -> Mapping[Series, ByDay]:
        """The changes to an entity's series."""
        found = self._outcomes.get(key)
        if found is None:
            return {CLAIMS: self._counts[key]}
        counted: dict[Series, Counter[int]] = defaultdict(Counter)
        counted[CLAIMS].update(self._counts[key])
        for moment, findings, by in found:
            for series, day in outcome_changes(moment, findings, self._layout.span):
                counted[series][day] += by
        return counted

    def _all(self, cursor: Any) -> Mapping[Series, ByDay]:
        """The complete series of the entity at the cursor."""
        layout = self._layout
        counted: dict[Series, Counter[int]] = defaultdict(Counter)
        for fact in cursor.iternext_dup():
            moment = known_at(fact)
            counted[CLAIMS][moment // DAY] += 1
            if fact[FOUND]:
                claim = fact[CLAIM]
                entry = decode(self._txn.get(claim, db=layout.claims))
                findings = follows(entry, claim, layout.bounds).findings
                for series, day in outcome_changes(moment, findings, layout.span):
                    counted[series][day] += 1
        return counted

    def changed_before(self, moment: int) -> set[KeyBytes]:
        """Business-like entities with changes that are seen as of a moment."""
        day = -(-moment // DAY)
        return {key for key, changes in self._counts.items() if min(changes) < day}

    def _is_new(self, claim_id: str, told: LogFact) -> bool:
        """Take in a claim that was not known yet, if everything it names counts; else False."""
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
        self._keys += named
        self._values += [value] * len(named)
        business = layout.business
        self._named[record.day] += [entity for entity in named if entity[0] in business]
        return True

    def _changed(self, claim_id: str, told: Sequence[LogFact]) -> None:
        """Replace what followed from a claim with what follows now."""
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
        was = follows(entry, claim, layout.bounds)
        if isinstance(entry, Entry) and isinstance(now, Entry) and entry.claims == now.claims:
            follow = Follows(was.facts, found_in(now, claim, layout.bounds))
        else:
            follow = follows(now, claim, layout.bounds)
        if was == follow:
            return
        gone, put = dict(_rows(was, claim)), dict(_rows(follow, claim))
        self._gone += [(key, value) for key, value in gone.items() if put.get(key) != value]
        new = {key: value for key, value in put.items() if gone.get(key) != value}
        self._keys += new.keys()
        self._values += new.values()
        self._move(was, follow, -1)
        self._move(follow, was, 1)

    def _move(self, one: Follows, other: Follows, by: int) -> None:
        """Count what follows for business-like entities, except what follows either way."""
        business, same = self._layout.business, one.findings == other.findings
        for key, fact in one.facts.items():
            if key[0] not in business or (same and other.facts.get(key) == fact):
                continue
            self._count(key, fact.known_at // DAY, by)
            if one.findings:
                self._outcomes[key].append((fact.known_at, one.findings, by))

    def _count(self, entity: KeyBytes, day: int, by: int) -> None:
        changes = self._counts.get(entity)
        if changes is None:
            self._counts[entity] = {day: by}
        else:
            changes[day] = changes.get(day, 0) + by


def _rows(follow: Follows, claim: ClaimRef) -> Iterator[FactRow]:
    """The facts of a claim."""
    seen, value = None, b""
    for key, fact in follow.facts.items():
        if fact is not seen:  # usually one record names them all
            seen, value = fact, stored(fact.known_at // DAY, claim, fact.policy, follow.findings)
        yield key, value


def in_order(keys: Sequence[KeyBytes], values: Sequence[StoredFact]) -> Iterable[FactRow]:
    """Rows roughly in the order of the table, which is faster to write.

    The order of rows of one entity makes no difference, nor does that of keys that begin alike.
    """
    if len(keys) < MANY:
        return sorted(zip(keys, values, strict=True), key=_key)
    begin = np.frombuffer(b"".join(keys), _BEGINNING)["begin"]
    order = np.argsort(begin).tolist()
    return zip(map(keys.__getitem__, order), map(values.__getitem__, order), strict=True)
