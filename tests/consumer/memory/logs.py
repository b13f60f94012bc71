"""Logs drawn at random, what they say by the plainest reading, and stores that read them."""

import datetime as dt
import math
import random
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from consumer.memory import store
from consumer.memory.view import Asked, Link, LogFact
from model.history.facts import ClaimFact, OutcomeFact, claim_ref
from model.history.features import ClaimHistory
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore, EntityKey
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding

DAY = 86_400_000
NOW = 20_000 * DAY
PRINT = "0123456789abcdef"
KINDS = (EntityKind(kind="phone", like="person"), EntityKind(kind="garage", like="business"))
BOUNDS = (
    Bounds(days=400, person=4, business=2, common=3),
    Bounds(days=60, person=3, business=3, common=9),
    Bounds(days=400, person=9, business=4, common=9),
    Bounds(days=400, person=4, business=2, common=3, names=2, findings=2),
    Bounds(days=400, person=9, business=3, common=9, names=1, findings=3),
    Bounds(days=400, person=1, business=1, common=2),
    Bounds(),
)
_EDGES = (0, 1, 30, 90, 365)
_NAN = math.nan
Final = Mapping[FactKey, RememberedClaim | RememberedFinding]
"""What is left of a log: the latest value of each key that was not forgotten."""


class Log(NamedTuple):
    """Records in their order, and what is asked."""

    bounds: Bounds
    facts: tuple[LogFact, ...]
    again: tuple[LogFact, ...]
    """The same, those of one key in the same order, others in any."""
    asked: tuple[Asked, ...]


def hashed(number: int) -> bytes:
    """The hash of an entity or a policy."""
    return bytes([number]) * 16


def drawn(rng: random.Random) -> Log:
    """A log about few claims and entities, with times at and next to the edges of windows."""
    bounds = rng.choice(BOUNDS)
    edges = (*_EDGES, bounds.days, bounds.days + 30)
    crowded = rng.random() < 0.3  # many claims within a few days

    def moment() -> int:
        if crowded:
            return NOW + rng.randrange(-2, 2) * DAY + rng.randrange(DAY)
        if rng.random() < 0.5:
            return NOW - rng.randrange(500) * DAY + rng.choice((0, 1, DAY - 1))
        return NOW - rng.choice(edges) * DAY + rng.choice((-DAY, -1, 0, 1, DAY))

    claims = [f"c{number}" for number in range(30 if crowded else rng.randrange(1, 9))]
    by_key = []
    for offset in range(rng.randrange(1, 40 if crowded else 14)):
        claim = rng.choice(claims)
        if rng.random() < 0.65:
            key = FactKey(FactKind.CLAIM, claim, "claims", rng.randrange(2), offset)
            values: Any = [_claim(rng, claim, moment()) for _ in range(rng.choice((1, 1, 1, 2)))]
        else:
            key = FactKey(FactKind.FINDING, claim, "outcomes", 0, offset)
            values = [
                RememberedFinding(claim_id=claim, known_at=moment(), fraud=rng.random() < 0.6)
            ]
        values += rng.choice(([], [], [], [values[-1]], [None], [None, values[-1]]))
        by_key.append([LogFact(key, value) for value in values])
    asked = tuple(
        Asked(
            claim_ref(rng.choice((*claims, "new"))),
            _keys(rng),
            rng.choice((NOW, NOW, NOW + 1, NOW + DAY, moment())),
        )
        for _ in range(5)
    )
    return Log(bounds, _woven(rng, by_key), _woven(rng, by_key), asked)


def many_claims(count: int) -> Log:
    """A log of so many claims, one record each."""
    rng = random.Random(1)
    facts = [
        LogFact(
            FactKey(FactKind.CLAIM, f"c{number}", "claims", 0, number),
            _claim(rng, f"c{number}", NOW - rng.randrange(500) * DAY),
        )
        for number in range(count)
    ]
    return Log(Bounds(), tuple(facts), tuple(facts), ())


def _claim(rng: random.Random, claim: str, known_at: int) -> RememberedClaim:
    named = [Naming(KINDS[kind].kind, hashed) for kind, hashed in _keys(rng)]
    if rng.random() < 0.1:
        named.append(Naming("witness", hashed(1)))
    if named and rng.random() < 0.2:
        named.append(rng.choice(named))
    rng.shuffle(named)
    return RememberedClaim(
        claim_id=claim,
        known_at=known_at,
        key=PRINT,
        entities=tuple(named),
        policy=rng.choice((None, *map(hashed, range(1, 5)))),
        day=rng.choice((None, dt.date(2024, 1, 2))),
        amount=rng.choice((None, 0.5, 2.5, -3.0)),
    )


def _keys(rng: random.Random) -> tuple[EntityKey, ...]:
    named = {(kind, hashed(rng.randrange(2))) for kind in (0, 0, 1) if rng.random() < 0.8}
    return tuple(sorted(named))


def _woven(rng: random.Random, by_key: Sequence[Sequence[LogFact]]) -> tuple[LogFact, ...]:
    left = [list(facts) for facts in by_key]
    found = []
    while left:
        one = rng.choice(left)
        found.append(one.pop(0))
        left = [facts for facts in left if facts]
    return tuple(found)


def final(facts: Sequence[LogFact]) -> Final:
    """What is left of records."""
    found: dict[FactKey, RememberedClaim | RememberedFinding] = {}
    for key, fact in facts:
        found.pop(key, None)
        if fact is not None:
            found[key] = fact
    return found


def entities(claim: RememberedClaim) -> list[EntityKey]:
    """The entities of a claim that are remembered."""
    numbers = {kind.kind: number for number, kind in enumerate(KINDS)}
    return [(numbers[kind], hashed) for kind, hashed in claim.entities if kind in numbers]


def claim_fact(claim: RememberedClaim) -> ClaimFact:
    """The same as a fact, at the start of its day."""
    return ClaimFact(
        claim=claim_ref(claim.claim_id),
        known_at=claim.known_at // DAY * DAY,
        policy=claim.policy,
        day=None if claim.day is None else claim.day.toordinal(),
        amount=claim.amount,
    )


def in_memory(bounds: Bounds, facts: Sequence[LogFact]) -> DictStore:
    """A store in memory with what is left of records."""
    found = DictStore(KINDS, bounds)
    for fact in final(facts).values():
        if isinstance(fact, RememberedClaim):
            found.remember(claim_fact(fact), entities(fact))
        else:
            day = fact.known_at // DAY * DAY
            outcome = OutcomeFact(claim=claim_ref(fact.claim_id), known_at=day, fraud=fact.fraud)
            found.learn(outcome)
    return found


def expected(log: Log, facts: Sequence[LogFact]) -> list[tuple[bytes, tuple[str, ...]]]:
    """What is to be answered, to the last bit, after some records of a log."""
    known = in_memory(log.bounds, facts)
    return answers(known.history(*one) for one in log.asked)


def answers(histories: Iterator[ClaimHistory] | Sequence[ClaimHistory]) -> list[Any]:
    """Histories as they are in memory; every missing value alike."""
    return [(bits(one.values()), one.flags) for one in histories]


def bits(values: Sequence[float]) -> bytes:
    """Numbers as they are in memory; every missing one alike."""
    return struct.pack(f"{len(values)}d", *(_NAN if math.isnan(v) else v for v in values))


def linked(log: Log, asked: Asked, most: int) -> list[Link]:
    """The links of a claim by the plainest reading of the rules."""
    every = final(log.facts).values()
    claims = [fact for fact in every if isinstance(fact, RememberedClaim)]
    found: list[Link] = []
    of_kind: dict[bytes, Link] = {}
    for key in asked.keys:
        if key[0] != 0:
            continue
        first: dict[bytes, ClaimFact] = {}
        names = {}
        for claim in claims:
            if key in entities(claim) and key in _names_that_count(log, claim.claim_id):
                fact = claim_fact(claim)
                names[fact.claim] = claim.claim_id
                first[fact.claim] = min(first.get(fact.claim, fact), fact, key=_rank)
        seen = [
            fact
            for fact in first.values()
            if asked.as_of - log.bounds.span <= fact.known_at < asked.as_of
            and fact.claim != asked.claim
        ]
        policies = {fact.policy for fact in seen} - {None}
        if len(seen) >= log.bounds.person or len(policies) >= log.bounds.common:
            continue
        for fact in seen:
            finding = _finding(log, names[fact.claim], asked.as_of)
            link = Link(0, names[fact.claim], fact.known_at, finding, fact.amount)
            former = of_kind.get(fact.claim)
            if former is None or former.known_at < link.known_at:
                of_kind[fact.claim] = link
    found += [
        link
        for _, link in sorted(
            of_kind.items(), key=lambda one: (one[1].known_at, one[0]), reverse=True
        )
    ]
    return found[:most]


def _rank(fact: ClaimFact) -> tuple[Any, ...]:
    amount = -1.0 if fact.amount is None else fact.amount
    return (fact.known_at, fact.policy or b"", fact.day or -1, amount)


def _finding(log: Log, claim_id: str, as_of: int) -> bool | None:
    said = sorted(
        {
            (fact.known_at // DAY * DAY, not fact.fraud)
            for fact in final(log.facts).values()
            if isinstance(fact, RememberedFinding) and fact.claim_id == claim_id
        }
    )
    changes = [one for n, one in enumerate(said) if n == 0 or one[1] != said[n - 1][1]]
    before = [one for one in changes[: log.bounds.findings] if one[0] < as_of]
    if not before or max(before)[0] < as_of - log.bounds.span:
        return None
    return not max(before)[1]


def _names_that_count(log: Log, claim_id: str) -> list[EntityKey]:
    first: dict[EntityKey, int] = {}
    for fact in final(log.facts).values():
        if isinstance(fact, RememberedClaim) and fact.claim_id == claim_id:
            day = fact.known_at // DAY
            first |= {key: min(day, first.get(key, day)) for key in entities(fact)}
    return sorted(first, key=lambda key: (first[key], key))[: log.bounds.names]


def opened(folder: Path, bounds: Bounds, of: Any = store, **others: Any) -> Any:
    """The store in a folder."""
    told = {"kinds": KINDS, "fingerprint": PRINT, "topic_id": "t1", "map_bytes": 1 << 20}
    return of.open_store(folder, bounds=bounds, **{**told, **others})


def fed(folder: Path, log: Log, facts: Sequence[LogFact], of: Any = store) -> None:
    """Fill a store at once, and close it."""
    view = opened(folder, log.bounds, of)
    view.apply(facts, {0: len(facts)})
    view.close()


def dumped(folder: Path, of: Any = store) -> dict[bytes, Any]:
    """Everything in a store that is closed; of another kind, as that says."""
    if hasattr(of, "dumped"):
        found: dict[bytes, Any] = of.dumped(folder)
        return found
    with lmdb.open(str(folder), readonly=True, lock=False, max_dbs=9) as env:
        with env.begin() as txn:
            names = [name for name, _ in txn.cursor()]
        tables = {name: env.open_db(name, create=False) for name in names}
        with env.begin() as txn:
            return {name: list(txn.cursor(db)) for name, db in tables.items()}


@contextmanager
def folders(count: int) -> Iterator[list[Path]]:
    """Folders that nobody has made yet, in memory where that is possible."""
    memory = Path("/dev/shm")
    where = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as scratch:
        yield [Path(scratch) / str(number) for number in range(count)]


def cut(rng: random.Random, facts: Sequence[LogFact]) -> Iterator[Sequence[LogFact]]:
    """Batches of records."""
    start = 0
    while start < len(facts):
        end = start + rng.randrange(1, 6)
        yield facts[start:end]
        start = end
