"""Queries the tables for all claims of a batch at once: in one snapshot and one round trip, or two
if facts are pending. An entity is read once, whatever moments claims ask about.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import psycopg
from msgspec import structs

from consumer.memory.postgres.connection import RowConnection
from consumer.memory.postgres.literals import blobs, numbers, texts
from consumer.memory.postgres.pasts import (
    CROWDED,
    DayTotals,
    KeptFacts,
    RowsPast,
    SeenClaim,
    TotalledPast,
    WaitingFacts,
    day_of,
)
from consumer.memory.postgres.schema import TABLES
from consumer.memory.view import Asked, Link, Pending
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, start_of_day
from model.history.features import WINDOWS, KnownEntity, entity_features, is_common
from model.history.past import NO_FINDINGS, outcome
from model.history.plan import Bounds, EntityKind
from model.history.store import EntityKey

_EPOCH: Final = "date '1970-01-01'"
_LOCK: Final = f"LOCK TABLE store, {', '.join(TABLES)} IN ACCESS SHARE MODE"
"""Before the first query: the tables are emptied either before it or after the last."""
_STATE: Final = "SELECT generation FROM store"
_POSITIONS: Final = "SELECT partition, next_offset FROM positions"
_NAME: Final = 17
"""Bytes of an entity: the number of its kind, and its hash."""
_KEPT: Final = f"""
SELECT a.claim, f.kind, f.hash, f.known_on - {_EPOCH}, f.policy, f.lost_on, f.amount
FROM unnest(%s::bytea[], %s::bytea[]) a (claim, names)
CROSS JOIN LATERAL (SELECT FROM claims WHERE claim = a.claim OFFSET 0) known
CROSS JOIN LATERAL generate_series(0, length(a.names) / {_NAME} - 1) place
CROSS JOIN LATERAL (
    SELECT get_byte(a.names, {_NAME} * place) AS kind, hash, known_on, policy, lost_on, amount
    FROM facts WHERE claim = a.claim
        AND kind = (%s::text[])[get_byte(a.names, {_NAME} * place) + 1]
        AND hash = substring(a.names FROM {_NAME} * place + 2 FOR {_NAME} - 1)
    OFFSET 0
) f
"""
"""For claims that ask or are pending, facts about some of the entities they name."""
_FINDINGS: Final = f"""
SELECT a.claim, o.found_on - {_EPOCH}, o.fraud FROM unnest(%s::bytea[]) a (claim)
CROSS JOIN LATERAL (SELECT found_on, fraud FROM outcomes WHERE claim = a.claim OFFSET 0) o
ORDER BY a.claim, o.found_on, o.fraud DESC
"""
_SEEN: Final = f"""
    known_on >= {_EPOCH} + {{start}} AND known_on < {_EPOCH} + a.day
"""
_FACTS: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT a.*, a.person AND a.most <= (
        SELECT count(*) FROM (
            SELECT FROM facts WHERE kind = a.kind AND hash = a.hash
                AND {_SEEN.format(start="a.oldest")}
            ORDER BY known_on DESC LIMIT a.most
        ) f
    ) AS crowded
    FROM (
        SELECT entity, (%s::text[])[number + 1] AS kind, hash, oldest, day, most, person
        FROM unnest(
            %s::int[], %s::int[], %s::bytea[], %s::int[], %s::int[], %s::int[], %s::boolean[]
        ) u (entity, number, hash, oldest, day, most, person)
    ) a
)
SELECT a.entity, f.known_on - {_EPOCH}, f.claim, f.policy, o.found_on, o.fraud
FROM (
    SELECT *, greatest(oldest, lag(day, 1, oldest) OVER (PARTITION BY entity ORDER BY day)) AS start
    FROM asked WHERE NOT crowded
) a
CROSS JOIN LATERAL (
    SELECT known_on, claim, policy FROM facts
    WHERE kind = a.kind AND hash = a.hash AND {_SEEN.format(start="a.start")}
    ORDER BY known_on DESC, claim DESC LIMIT a.most
) f
LEFT JOIN LATERAL (
    SELECT array_agg(found_on - {_EPOCH} ORDER BY found_on, fraud DESC) AS found_on,
        array_agg(fraud ORDER BY found_on, fraud DESC) AS fraud
    FROM outcomes WHERE a.person AND claim = f.claim
) o ON true
UNION ALL
SELECT entity, day, NULL, NULL, NULL, NULL FROM asked WHERE crowded
"""
"""Claims that name entities, each once: for a day that is asked about, those since the one before
it. For a person-like entity, these are all that any of the days sees; days that see so many that it
is a placeholder are returned instead. For a business-like one, each day has its latest.
"""
_TOTALS: Final = f"""
SELECT a.entity, t.* FROM (
    SELECT entity, (%s::text[])[number + 1] AS kind, hash, edges::int[] AS edges, last
    FROM unnest(%s::int[], %s::int[], %s::bytea[], %s::text[], %s::int[])
        u (entity, number, hash, edges, last)
    OFFSET 0
) a
CROSS JOIN LATERAL (
    SELECT width_bucket(day - {_EPOCH}, a.edges), sum(claims), sum(decided), sum(frauds)
    FROM days WHERE kind = a.kind AND hash = a.hash AND day < {_EPOCH} + a.last GROUP BY 1
) t
"""
_SHOWN: Final = """
SELECT a.claim, a.number, a.hash, f.amount, c.claim_id
FROM unnest(%s::bytea[], %s::int[], %s::bytea[]) a (claim, number, hash)
CROSS JOIN LATERAL (
    SELECT amount FROM facts
    WHERE claim = a.claim AND kind = (%s::text[])[a.number + 1] AND hash = a.hash OFFSET 0
) f
CROSS JOIN LATERAL (SELECT claim_id FROM claims WHERE claim = a.claim OFFSET 0) c
"""


class HowRead(NamedTuple):
    """How the tables are read: kinds and bounds of the model."""

    kinds: tuple[EntityKind, ...]
    bounds: Bounds


class Asking(Protocol):
    """Queries the database."""

    def __call__(
        self, statement: str, values: tuple[str, ...] = ()
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """The answer, to read when it is needed; reading waits for it."""


class StoreAnswers:
    """What the database says about some claims.

    Args:
        reader: kinds and bounds.
        asked: the claims.
        pending: facts that may not be in the database yet.
    """

    def __init__(self, reader: HowRead, asked: Sequence[Asked], pending: Pending) -> None:
        self._reader = reader
        self._named: dict[ClaimRef, dict[EntityKey, None]] = {}
        """Entities of claims that ask, and those of pending claims that are asked about."""
        days: dict[EntityKey, set[int]] = {}
        for claim, keys, as_of in asked:
            day, named = day_of(as_of), self._named.setdefault(claim, {})
            for entity in keys:
                named[entity] = None
                days.setdefault(entity, set()).add(day)
        self._days = {entity: sorted(some) for entity, some in days.items()}
        self._pending: dict[EntityKey, list[ClaimFact]] = {}
        for entity, some in self._days.items():
            if entity in pending:
                self._wait(entity, pending[entity].values(), some[-1] * DAY)
        self._kept: dict[EntityKey, dict[ClaimRef, ClaimFact]] = {}
        self._findings: dict[ClaimRef, tuple[OutcomeFact, ...]] = {}
        self._waiting: dict[EntityKey, WaitingFacts] = {}
        self._seen: dict[EntityKey, list[SeenClaim]] = {}
        self._crowded: set[tuple[EntityKey, int]] = set()
        self._totals: dict[EntityKey, DayTotals] = {}
        self._pasts: dict[EntityKey, RowsPast] = {}
        self._strangers: dict[tuple[EntityKey, int], KnownEntity] = {}
        self._asked: Sequence[psycopg.Cursor[tuple[Any, ...]]] = ()

    def _wait(self, entity: EntityKey, facts: Iterable[ClaimFact], end: int) -> None:
        """Note the pending facts that a claim may see. One that is not seen replaces none
        that is.
        """
        for fact in facts:
            if fact.known_at < end:
                self._pending.setdefault(entity, []).append(_floored(fact))
                self._named.setdefault(fact.claim, {})[entity] = None

    def ask(self, ask: Asking) -> None:
        """Send all queries, in a transaction that sees one snapshot."""
        claims = blobs(self._named)
        names = blobs(
            b"".join([bytes([kind]) + hashed for kind, hashed in named])
            for named in self._named.values()
        )
        self._asked = (
            ask(_STATE),
            ask(_KEPT, (claims, names, self._names())),
            ask(_FINDINGS, (claims,)),
        )
        if self._pending:
            self._take_kept()  # it decides how much else is read
        self._asked = (*self._asked, ask(_FACTS, self._asked_facts()))
        self._asked = (*self._asked, ask(_TOTALS, self._asked_totals()))

    def take(self, generation: UUID) -> None:
        """Take the answers.

        Raises:
            EmptiedError: the database was emptied since it was opened.
        """
        state, _, _, facts, totals = self._asked
        check_state(state.fetchall(), generation)
        if not self._pending:
            self._take_kept()
        self._take_facts(facts.fetchall())
        self._take_totals(totals.fetchall())
        self._asked = ()

    def _take_kept(self) -> None:
        _, kept, findings, *_ = self._asked
        self._kept = {}
        for claim, kind, hashed, day, policy, lost_on, amount in kept.fetchall():
            self._kept.setdefault((kind, hashed), {})[claim] = ClaimFact(
                claim=claim,
                known_at=day * DAY,
                policy=policy,
                day=None if lost_on is None else lost_on.toordinal(),
                amount=amount,
            )
        self._findings = {}
        for claim, day, fraud in findings.fetchall():
            found = OutcomeFact(claim=claim, known_at=day * DAY, fraud=fraud)
            self._findings[claim] = (*self._findings.get(claim, ()), found)
        self._waiting = {
            entity: WaitingFacts(facts, self._kept_of(entity))
            for entity, facts in self._pending.items()
        }

    def _kept_of(self, entity: EntityKey) -> KeptFacts:
        return KeptFacts(self._kept.get(entity, {}), self._findings, self._reader.bounds.span)

    def _asked_facts(self) -> tuple[str, ...]:
        numbers_of: list[int] = []
        hashes: list[bytes] = []
        places: list[int] = []
        days: list[int] = []
        most: list[int] = []
        person: list[str] = []
        span = self._reader.bounds.days
        self._crowded = set()
        for place, (entity, some) in enumerate(self._days.items()):
            like_person = self._is_person(entity)
            for day, bound in self._bounded(entity, some):
                if bound:
                    places.append(place)
                    numbers_of.append(entity[0])
                    hashes.append(entity[1])
                    days.append(day)
                    most.append(bound)
                    person.append("t" if like_person else "f")
                else:
                    self._crowded.add((entity, day))
        return (
            self._names(),
            numbers(places),
            numbers(numbers_of),
            blobs(hashes),
            numbers(day - span for day in days),
            numbers(days),
            numbers(most),
            "{" + ",".join(person) + "}",
        )

    def _bounded(self, entity: EntityKey, days: Sequence[int]) -> Iterator[tuple[int, int]]:
        """How many of the latest facts of an entity are read for each day; 0 if the pending ones
        are enough to tell that it is a placeholder.
        """
        bounds, waiting = self._reader.bounds, self._waiting.get(entity)
        most = bounds.most(self._reader.kinds[entity[0]].like) + 1
        if waiting is None:
            yield from ((day, most) for day in days)
            return
        former = 0
        for day in days:
            oldest, end = (day - bounds.days) * DAY, day * DAY
            if not self._is_person(entity):
                # Facts of earlier days are read for those days.
                yield day, most + waiting.replaced(max(oldest, former), end)
                former = end
            elif (more := most - waiting.seen(oldest, end)) > 0:
                yield day, more + waiting.replaced(oldest, end)
            else:
                yield day, 0

    def _take_facts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        entities = list(self._days)
        self._seen = {}
        for place, day, claim, policy, days, frauds in rows:
            entity = entities[place]
            if claim is None:
                self._crowded.add((entity, day))
                continue
            found = NO_FINDINGS
            if days:
                found = tuple(
                    OutcomeFact(claim=claim, known_at=found_on * DAY, fraud=fraud)
                    for found_on, fraud in zip(days, frauds, strict=True)
                )
            self._seen.setdefault(entity, []).append(SeenClaim(day * DAY, claim, policy, found))

    def _asked_totals(self) -> tuple[str, ...]:
        every = [entity for entity in self._days if not self._is_person(entity)]
        edges = [self._edges(entity) for entity in every]
        return (
            self._names(),
            numbers(range(len(every))),
            numbers(kind for kind, _ in every),
            blobs(hashed for _, hashed in every),
            texts(map(numbers, edges)),
            numbers(some[-1] for some in edges),
        )

    def _edges(self, entity: EntityKey) -> list[int]:
        """Days at which counts of an entity's claims start or end."""
        span = self._reader.bounds.days
        back = {0, span, *(min(span, window) for window in WINDOWS)}
        return sorted({day - some for day in self._days[entity] for some in back})

    def _take_totals(self, rows: Sequence[tuple[Any, ...]]) -> None:
        every = [entity for entity in self._days if not self._is_person(entity)]
        of_entity: list[list[tuple[int, int, int, int]]] = [[] for _ in every]
        for place, edge, claims, decided, frauds in rows:
            of_entity[place].append((edge, claims, decided, frauds))
        self._totals = {
            entity: DayTotals(self._edges(entity), some)
            for entity, some in zip(every, of_entity, strict=True)
        }

    def known(self, entity: EntityKey, claim: ClaimRef, as_of: int) -> KnownEntity:
        """What a claim is told about an entity."""
        past = self.past(entity, as_of)
        own = past.own(claim)
        if own is not None and own.known_at >= as_of:
            own = None
        at = entity, as_of
        if own is None and at in self._strangers:
            return self._strangers[at]
        kind, bounds = self._reader.kinds[entity[0]], self._reader.bounds
        told = entity_features(past, kind, own, as_of, bounds)
        if own is None:
            self._strangers[at] = told
        return told

    def past(self, entity: EntityKey, as_of: int) -> RowsPast:
        """What is known about an entity, as of a moment that was asked about."""
        if self._crowded and (entity, day_of(as_of)) in self._crowded:
            return CROWDED
        past = self._pasts.get(entity)
        if past is None:
            told = self._seen.get(entity, ()), self._kept_of(entity), self._waiting.get(entity)
            if entity in self._totals:
                past = TotalledPast(*told, self._totals[entity])
            else:
                past = RowsPast(*told)
            self._pasts[entity] = past
        return past

    def _is_person(self, entity: EntityKey) -> bool:
        return self._reader.kinds[entity[0]].like == "person"

    def _names(self) -> str:
        return names_in(self._reader)


class EmptiedError(Exception):
    """The database was emptied since it was opened."""


class _Linked(NamedTuple):
    """An earlier claim, and the entity that links it."""

    known_at: int
    claim: ClaimRef
    through: EntityKey
    finding: bool | None


def read_links(
    connection: RowConnection,
    reader: HowRead,
    asked: Sequence[Asked],
    most: int,
    generation: UUID,
) -> list[list[Link]]:
    """Links of some claims; see `View`.

    Raises:
        EmptiedError: the database was emptied since it was opened.
    """
    persons = [
        one._replace(keys=[key for key in one.keys if reader.kinds[key[0]].like == "person"])
        for one in asked
    ]
    answers = StoreAnswers(reader, persons, {})
    with asking(connection) as ask:
        answers.ask(ask)
        answers.take(generation)
        linked = [_linked(answers, reader, one, most) for one in persons]
        shown = dict.fromkeys((one.claim, one.through) for some in linked for one in some)
        found = ask(
            _SHOWN,
            (
                blobs(claim for claim, _ in shown),
                numbers(kind for _, (kind, _) in shown),
                blobs(hashed for _, (_, hashed) in shown),
                names_in(reader),
            ),
        )
    told = {
        (claim, (kind, hashed)): (claim_id, amount)
        for claim, kind, hashed, amount, claim_id in found.fetchall()
    }
    return [[_link(one, *told[one.claim, one.through]) for one in some] for some in linked]


def _linked(answers: StoreAnswers, reader: HowRead, asked: Asked, most: int) -> list[_Linked]:
    """What becomes a link of a claim: only those claims are read in full."""
    claim, keys, as_of = asked
    bounds = reader.bounds
    by_kind: dict[int, dict[ClaimRef, _Linked]] = {}
    for key in keys:
        past = answers.past(key, as_of)
        if is_common(past, reader.kinds[key[0]], past.own(claim), as_of, bounds):
            continue
        latest = by_kind.setdefault(key[0], {})
        for seen in past.latest(as_of - bounds.span, as_of, most, claim):
            former = latest.get(seen.claim)
            if former is None or seen.known_at > former.known_at:
                decided, fraud = outcome(seen.known_at, seen.findings, bounds.span, as_of)
                finding = fraud if decided else None
                latest[seen.claim] = _Linked(seen.known_at, seen.claim, key, finding)
    return [
        one
        for kind in sorted(by_kind)
        for one in sorted(by_kind[kind].values(), reverse=True)[:most]
    ]


def _link(linked: _Linked, claim_id: str, amount: float | None) -> Link:
    return Link(linked.through[0], claim_id, linked.known_at, linked.finding, amount)


def names_in(reader: HowRead) -> str:
    """The names of the kinds, in the order of their numbers."""
    return texts(kind.kind for kind in reader.kinds)


def _floored(fact: ClaimFact) -> ClaimFact:
    known_at = start_of_day(fact.known_at)
    return fact if known_at == fact.known_at else structs.replace(fact, known_at=known_at)


def read_positions(connection: RowConnection, generation: UUID) -> dict[int, int]:
    """Next offset by partition; partitions without any are left out.

    Raises:
        EmptiedError: the database was emptied since it was opened.
    """
    with asking(connection) as ask:
        state, found = ask(_STATE), ask(_POSITIONS)
    check_state(state.fetchall(), generation)
    return {partition: offset for partition, offset in found.fetchall() if offset}


def check_state(rows: Sequence[tuple[Any, ...]], generation: UUID) -> None:
    """Check that the database is the one that was opened.

    Raises:
        EmptiedError: it was emptied since.
    """
    if rows != [(generation,)]:
        raise EmptiedError


@contextmanager
def asking(connection: RowConnection) -> Iterator[Asking]:
    """Answers the queries in the body from one snapshot: in one round trip, unless an answer is
    read in the body.
    """

    def ask(statement: str, values: tuple[str, ...] = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        cursor = connection.cursor(binary=True)
        return cursor.execute(statement.encode(), values or None)

    with connection.pipeline():
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(_LOCK.encode())
        yield ask
        connection.execute("COMMIT")
