"""What is kept of a claim, and what follows from it for the entities it names. Pure.

An entry has everything the log says about one claim, by the record that says it; or, for a claim
with many records, what counts of them (see `consumer.memory.facts.apart`). Everything else in a
store follows from entries, so neither order nor repetition of records leaves a trace.
"""

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from consumer.memory.view import LogFact
from model.history.facts import (
    DAY,
    ClaimFact,
    ClaimRef,
    OutcomeFact,
    changes_in,
    counting,
    first_of,
)
from model.history.keys import HASH_BYTES
from model.history.plan import Bounds
from model.history.store import EntityKey
from schemas.memory import (
    FactKey,
    FactKind,
    Remembered,
    RememberedClaim,
    RememberedFinding,
)

KEY_BYTES: Final = 1 + HASH_BYTES
KeyBytes = bytes
"""The key of an entity: the number of its kind, as one byte, and its hash."""
FactSource = tuple[str, int, int]
"""Topic, partition and offset of the record that a fact comes from."""
StoredFact = bytes
"""What an entity has of a claim: `CLAIM`, `POLICY`, `FOUND`. Facts sort by day, then by claim."""
CLAIM: Final = slice(4, 20)
POLICY: Final = slice(20, 36)
"""`NO_POLICY` if there is none."""
FOUND: Final = 36
"""The latest finding: `OPEN`, `CLEARED` or `FRAUD`; and `EARLIER`."""
OPEN, CLEARED, FRAUD = range(3)
EARLIER: Final = 4
"""Something else was found before the stored days: only the entry says when."""
FOUND_ON: Final = slice(37, 39), slice(39, 41), slice(41, 43)
"""The days on which the finding changed, latest first, padded with `NO_DAY`, which is before all of
them. What was found on each day follows from the latest finding, as they alternate."""
NO_DAY: Final = bytes(2)
_LAST_DAY: Final = (1 << 16) - 1
"""In place of a day that does not fit."""
_BYTE: Final = [bytes([number]) for number in range(256)]
NO_POLICY: Final = bytes(HASH_BYTES)
_FACT: Final = struct.Struct(">I16s16sB3H")


class KeptClaim(Struct, frozen=True, gc=False, array_like=True):
    """What one record says about the claim."""

    source: FactSource
    day: int
    """The day it came in, since 1970."""
    named: bytes
    """Keys of the entities, each once."""
    policy: bytes | None
    lost: int | None
    """Ordinal of the date of loss."""
    amount: float | None


class KeptFinding(Struct, frozen=True, gc=False, array_like=True):
    """What one record says was found about it."""

    source: FactSource
    day: int
    """The day it was found, since 1970."""
    fraud: bool


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """Everything remembered about a claim; records are in the order of their sources."""

    claim_id: str
    claims: tuple[KeptClaim, ...] = ()
    findings: tuple[KeptFinding, ...] = ()


class KeptName(Struct, frozen=True, gc=False, array_like=True):
    """An entity that counts, from the record that names it first."""

    key: KeyBytes
    day: int
    """The day that record came in, since 1970."""
    policy: bytes | None
    lost: int | None
    amount: float | None


class Extract(Struct, frozen=True, gc=False, array_like=True):
    """What counts of a claim with more records than an entry can hold."""

    claim_id: str
    records: int
    """How many there are."""
    names: tuple[KeptName, ...]
    """The earliest first."""
    found: tuple[tuple[int, bool], ...]
    """Days since 1970 on which the finding changed, and whether it was fraud."""


class Follows(NamedTuple):
    """What follows from an entry."""

    facts: Mapping[KeyBytes, ClaimFact]
    """For each entity that counts, the first record that names it."""
    findings: tuple[OutcomeFact, ...]
    """Those that count, the latest last."""


encode: Final = msgspec.msgpack.Encoder().encode
_entries: Final = msgspec.msgpack.Decoder(Entry)
_extracts: Final = msgspec.msgpack.Decoder(Extract)
_EXTRACT: Final = b"\xc1"
"""The first byte of an extract; nothing in MessagePack begins with it."""
NOTHING: Final = Follows({}, ())


def decode(entry: bytes) -> Entry | Extract:
    """An entry that `encode` wrote, or an extract that `encode_extract` did."""
    return _extracts.decode(entry[1:]) if entry[:1] == _EXTRACT else _entries.decode(entry)


def encode_extract(extract: Extract) -> bytes:
    """An extract as it is stored."""
    return _EXTRACT + encode(extract)


def key_of(entity: EntityKey) -> KeyBytes:
    """The key of an entity."""
    return _BYTE[entity[0]] + entity[1]


def named_by(fact: RememberedClaim, numbers: Mapping[str, bytes]) -> Collection[KeyBytes]:
    """The keys of the entities that a record names, each once.

    Args:
        fact: the record's value.
        numbers: of the kinds that are remembered, as one byte, by kind name.
    """
    return dict.fromkeys(
        [numbers[kind] + hashed for kind, hashed in fact.entities if kind in numbers]
    )


def kept_claim(key: FactKey, fact: RememberedClaim, named: Iterable[KeyBytes]) -> KeptClaim:
    """What is kept of a log record.

    Args:
        key: its key.
        fact: its value.
        named: the entities it names; see `named_by`.
    """
    return KeptClaim(
        (key.topic, key.partition, key.offset),
        fact.known_at // DAY,
        b"".join(named),
        fact.policy,
        None if fact.day is None else fact.day.toordinal(),
        fact.amount,
    )


def kept_of(
    key: FactKey, fact: Remembered, numbers: Mapping[str, bytes]
) -> KeptClaim | KeptFinding:
    """What is kept of a log record; see `named_by` for the numbers.

    Raises:
        ValueError: its value is not of the kind that its key says.
    """
    if isinstance(fact, RememberedClaim) and key.kind == FactKind.CLAIM:
        return kept_claim(key, fact, named_by(fact, numbers))
    if isinstance(fact, RememberedFinding) and key.kind == FactKind.FINDING:
        source = (key.topic, key.partition, key.offset)
        return KeptFinding(source, fact.known_at // DAY, fact.fraud)
    raise ValueError(f"claims-memory: under the key {key} is no {key.kind}")


def changed(
    entry: Entry | None, told: Iterable[LogFact], numbers: Mapping[str, bytes]
) -> Entry | None:
    """An entry after more records about its claim; None if nothing is left of it.

    Raises:
        ValueError: the value of a record is not of the kind that its key says.
    """
    claims = {record.source: record for record in entry.claims} if entry else {}
    findings = {record.source: record for record in entry.findings} if entry else {}
    claim_id = entry.claim_id if entry else ""
    for key, fact in told:
        claim_id, source = key.claim_id, (key.topic, key.partition, key.offset)
        if fact is None:
            (claims if key.kind == FactKind.CLAIM else findings).pop(source, None)
            continue
        record = kept_of(key, fact, numbers)
        if isinstance(record, KeptClaim):
            claims[source] = record
        else:
            findings[source] = record
    if not claims and not findings:
        return None
    return Entry(
        claim_id,
        tuple(claims[source] for source in sorted(claims)),
        tuple(findings[source] for source in sorted(findings)),
    )


def follows(entry: Entry | Extract | None, claim: ClaimRef, bounds: Bounds) -> Follows:
    """What follows from a claim's entry."""
    if entry is None:
        return NOTHING
    if isinstance(entry, Extract):
        return Follows(
            {name.key: _fact_of(name, claim) for name in entry.names}, _outcomes(entry.found, claim)
        )
    facts: dict[KeyBytes, ClaimFact] = {}
    for record in entry.claims:
        fact = ClaimFact(
            claim=claim,
            known_at=record.day * DAY,
            policy=record.policy,
            day=record.lost,
            amount=record.amount,
        )
        if not facts:
            facts = dict.fromkeys(keys_in(record.named), fact)
            continue
        for key in keys_in(record.named):
            former = facts.get(key)
            facts[key] = fact if former is None else first_of(former, fact)
    return Follows(counting(facts, bounds.names), found_in(entry, claim, bounds))


def found_in(entry: Entry, claim: ClaimRef, bounds: Bounds) -> tuple[OutcomeFact, ...]:
    """The findings of an entry that count, the latest last."""
    if not entry.findings:
        return ()
    days: tuple[list[int], list[int]] = [], []
    for one in entry.findings:
        days[one.fraud].append(one.day)
    found = changes_in(sorted(days[False]), sorted(days[True]), bounds.findings)
    return _outcomes(found, claim)


def _fact_of(name: KeptName, claim: ClaimRef) -> ClaimFact:
    return ClaimFact(
        claim=claim,
        known_at=name.day * DAY,
        policy=name.policy,
        day=name.lost,
        amount=name.amount,
    )


def _outcomes(found: Iterable[tuple[int, bool]], claim: ClaimRef) -> tuple[OutcomeFact, ...]:
    return tuple(OutcomeFact(claim=claim, known_at=day * DAY, fraud=fraud) for day, fraud in found)


def keys_in(named: bytes) -> list[KeyBytes]:
    """The keys of the entities that a record names."""
    return [named[start : start + KEY_BYTES] for start in range(0, len(named), KEY_BYTES)]


def stored(
    day: int, claim: ClaimRef, policy: bytes | None, findings: Sequence[OutcomeFact] = ()
) -> StoredFact:
    """A fact as it is stored.

    Args:
        day: on which the claim came in, since 1970.
        claim: the claim.
        policy: the policy it was made under.
        findings: on the claim.
    """
    if not findings:
        return _FACT.pack(day, claim, policy or NO_POLICY, OPEN, 0, 0, 0)
    found = FRAUD if findings[-1].fraud else CLEARED
    days = [one.known_at // DAY + 1 for one in reversed(findings[-len(FOUND_ON) :])]
    if days[0] >= _LAST_DAY:
        days, found = [_LAST_DAY] * len(FOUND_ON), found | EARLIER
    elif len(findings) > len(FOUND_ON):
        found |= EARLIER
    return _FACT.pack(
        day, claim, policy or NO_POLICY, found, *days, *[0] * (len(FOUND_ON) - len(days))
    )


@lru_cache(maxsize=1_024)
def edge(moment: int) -> bytes:
    """Sorts before the stored facts of a moment or later, and after earlier ones.

    A fact counts as known from the start of its day.
    """
    return max(0, -(-moment // DAY)).to_bytes(4, "big")


@lru_cache(maxsize=1_024)
def found_edge(moment: int) -> bytes:
    """The same for the days in `FOUND_ON`."""
    return min(_LAST_DAY, max(0, -(-moment // DAY)) + 1).to_bytes(2, "big")


@lru_cache(maxsize=1_024)
def edges(moments: tuple[int, ...]) -> tuple[bytes, ...]:
    """`edge` of each moment."""
    return tuple(map(edge, moments))


def known_at(fact: StoredFact) -> int:
    """When a fact became known: the start of its day, in milliseconds."""
    return int.from_bytes(fact[:4], "big") * DAY
