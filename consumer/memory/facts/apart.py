"""Claims with many remembered records: each record is a row of its own.

What a record changes is looked up in order, so it costs only what it adds, however many there are:
the first record that names an entity, the entities named first, and the next change of finding.
What counts of them all is an extract of bounded size, in place of the entry.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from consumer.memory.facts.entries import (
    KEY_BYTES,
    Entry,
    Extract,
    FactSource,
    KeptClaim,
    KeptFinding,
    KeptName,
    KeyBytes,
    encode,
    kept_of,
    keys_in,
)
from consumer.memory.facts.layout import Layout
from consumer.memory.view import LogFact
from model.history.facts import ClaimRef, changes
from schemas.memory import FactKind

RECORDS: Final = {FactKind.CLAIM: b"\0", FactKind.FINDING: b"\1"}
"""By claim and source: the record. Each key has this byte after the reference of its claim."""
NAMED: Final = b"\2"
"""By claim, entity, rank and source: this record names the entity."""
FIRST: Final = b"\3"
"""By claim, day and entity: the entity was first named on that day."""
FOUND: Final = (b"\4", b"\5")
"""By claim, day and source: the claim was cleared; the claim was found to be fraud."""
_DAY: Final = struct.Struct(">I")
_RANK: Final = struct.Struct(">I?16sIQ?")
"""As `model.history.facts.first_of` ranks: day, policy, date of loss, amount."""
_NONE: Final = bytes(16)
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
_claims: Final = msgspec.msgpack.Decoder(KeptClaim)
_findings: Final = msgspec.msgpack.Decoder(KeptFinding)


class Apart:
    """The rows of one claim.

    Args:
        layout: of the store.
        txn: of LMDB.
        claim: whose rows they are.
    """

    def __init__(self, layout: Layout, txn: Any, claim: ClaimRef) -> None:
        self._layout = layout
        self._txn = txn
        self._db = layout.apart
        self._claim = claim
        self._records = 0
        self._named: dict[KeyBytes, int | None] = {}
        """For entities that changed, the day on which they had first been named."""
        self._found = False

    def record(self, kind: FactKind, source: FactSource) -> KeptClaim | KeptFinding | None:
        """What one record says; None if it is not remembered."""
        kept = self._txn.get(self._claim + RECORDS[kind] + _digest(source), db=self._db)
        return None if kept is None else _decoded(kind, kept)

    def begun(self, entry: Entry) -> Extract:
        """Move the records of an entry to rows of their own."""
        for kind, records in (
            (FactKind.CLAIM, entry.claims),
            (FactKind.FINDING, entry.findings),
        ):
            for record in records:
                self._put(kind, record)
        return self._extract(Extract(entry.claim_id, 0, (), ()))

    def changed(
        self, extract: Extract, told: Sequence[LogFact], numbers: Mapping[str, bytes]
    ) -> Entry | Extract | None:
        """What is kept of the claim after more records; None if nothing is left.

        Raises:
            ValueError: the value of a record is not of the kind that its key says.
        """
        for key, fact in told:
            if fact is None:
                self._remove(key.kind, (key.topic, key.partition, key.offset))
            else:
                self._put(key.kind, kept_of(key, fact, numbers))
        left = extract.records + self._records
        if left > self._layout.most_records:
            return self._extract(extract)
        claims = [_claims.decode(value) for _, value in self._rows(RECORDS[FactKind.CLAIM])]
        findings = [_findings.decode(value) for _, value in self._rows(RECORDS[FactKind.FINDING])]
        for row, _ in list(self._rows(b"")):
            self._txn.delete(row, db=self._db)
        if not left:
            return None
        return Entry(
            extract.claim_id,
            tuple(sorted(claims, key=_source)),
            tuple(sorted(findings, key=_source)),
        )

    def _put(self, kind: FactKind, record: KeptClaim | KeptFinding) -> None:
        row = self._claim + RECORDS[kind] + _digest(record.source)
        value = encode(record)
        if not self._txn.put(row, value, overwrite=False, db=self._db):
            if self._txn.get(row, db=self._db) == value:
                return
            self._remove(kind, record.source)
            self._txn.put(row, value, db=self._db)
        self._records += 1
        self._note(record)
        for more in self._follow(record):
            self._txn.put(more, b"", db=self._db)

    def _remove(self, kind: FactKind, source: FactSource) -> None:
        record = self.record(kind, source)
        if record is None:
            return
        self._records -= 1
        self._note(record)
        for row in (self._claim + RECORDS[kind] + _digest(source), *self._follow(record)):
            self._txn.delete(row, db=self._db)

    def _note(self, record: KeptClaim | KeptFinding) -> None:
        if isinstance(record, KeptFinding):
            self._found = True
            return
        for key in keys_in(record.named):
            if key not in self._named:
                name = self._first(key)
                self._named[key] = None if name is None else name.day

    def _follow(self, record: KeptClaim | KeptFinding) -> Iterator[bytes]:
        """The rows that index a record."""
        end = _digest(record.source)
        if isinstance(record, KeptFinding):
            yield self._claim + FOUND[record.fraud] + _DAY.pack(record.day) + end
            return
        rank = _rank(record) + end
        for key in keys_in(record.named):
            yield self._claim + NAMED + key + rank

    def _extract(self, former: Extract) -> Extract:
        """What counts now."""
        names, found = former.names, former.found
        if self._named:
            names = self._names({name.key: name for name in names})
        if self._found:
            found = tuple(changes(self._found_from, self._layout.bounds.findings))
        return Extract(former.claim_id, former.records + self._records, names, found)

    def _names(self, former: Mapping[KeyBytes, KeptName]) -> tuple[KeptName, ...]:
        now = {key: self._first(key) for key in self._named}
        for key, day in self._named.items():
            name = now[key]
            if day != (None if name is None else name.day):
                if day is not None:
                    self._txn.delete(self._claim + FIRST + _DAY.pack(day) + key, db=self._db)
                if name is not None:
                    row = self._claim + FIRST + _DAY.pack(name.day) + key
                    self._txn.put(row, b"", db=self._db)
        found: list[KeptName] = []
        for row, _ in self._rows(FIRST):
            if len(found) == self._layout.bounds.names:
                break
            key = row[-KEY_BYTES:]
            name = now[key] if key in now else former.get(key) or self._first(key)
            assert name is not None
            found.append(name)
        return tuple(found)

    def _first(self, key: KeyBytes) -> KeptName | None:
        """The entity, from the record that names it first."""
        begin = self._claim + NAMED + key
        row = self._next(begin, begin)
        if row is None:
            return None
        day, has_policy, policy, lost, amount, has_amount = _RANK.unpack_from(row, len(begin))
        return KeptName(
            key,
            day,
            policy if has_policy else None,
            lost - 1 if lost else None,
            _number(amount) if has_amount else None,
        )

    def _found_from(self, fraud: bool, day: int) -> int | None:
        """See `model.history.facts.changes`, in days."""
        begin = self._claim + FOUND[fraud]
        row = self._next(begin + _DAY.pack(max(0, day)), begin)
        return None if row is None else int(_DAY.unpack_from(row, len(begin))[0])

    def _next(self, place: bytes, begin: bytes) -> bytes | None:
        """The first row at or after a place, if it begins with `begin`."""
        with self._txn.cursor(self._db) as cursor:
            row: bytes = cursor.key() if cursor.set_range(place) else b""
        return row if row.startswith(begin) else None

    def _rows(self, kind: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows of a kind, in order."""
        begin = self._claim + kind
        with self._txn.cursor(self._db) as cursor:
            if not cursor.set_range(begin):
                return
            for row, value in cursor:
                if not row.startswith(begin):
                    return
                yield row, value


def _decoded(kind: FactKind, kept: bytes) -> KeptClaim | KeptFinding:
    return _claims.decode(kept) if kind is FactKind.CLAIM else _findings.decode(kept)


def _digest(source: FactSource) -> bytes:
    topic, partition, offset = source
    place = struct.pack(">qq", partition, offset)
    return blake2b(topic.encode() + place, digest_size=16).digest()


def _rank(record: KeptClaim) -> bytes:
    return _RANK.pack(
        record.day,
        record.policy is not None,
        record.policy or _NONE,
        0 if record.lost is None else record.lost + 1,
        _sortable(-1.0 if record.amount is None else record.amount),
        record.amount is not None,
    )


def _sortable(number: float) -> int:
    """An integer that sorts in the same order."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))  # -0.0 becomes 0.0
    return int(bits) ^ (_ALL if bits & _SIGN else _SIGN)


def _number(sortable: int) -> float:
    bits = sortable ^ (_SIGN if sortable & _SIGN else _ALL)
    (number,) = struct.unpack(">d", struct.pack(">Q", bits))
    return float(number)


def _source(record: KeptClaim | KeptFinding) -> FactSource:
    return record.source
