"""What is asked of the tables, for all claims of a batch at once: one round trip, one state."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from consumer.memory.postgres.connection import RowConnection
from consumer.memory.postgres.literals import blobs, numbers, texts
from consumer.memory.postgres.pasts import DayTotals, KeptFacts, RowsPast, SeenClaim, past_of
from consumer.memory.postgres.schema import TABLES
from consumer.memory.view import Asked, Link, Pending
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, start_of_day
from model.history.features import WINDOWS, KnownEntity, entity_features
from model.history.plan import Bounds, EntityKind
from model.history.store import EntityKey

_EPOCH: Final = "date '1970-01-01'"
_LOCK: Final = f"LOCK TABLE store, {', '.join(TABLES)} IN ACCESS SHARE MODE"
"""Before the first look: whoever empties the tables does so before it, or after the last."""
_STATE: Final = "SELECT generation FROM store"
_POSITIONS: Final = "SELECT partition, next_offset FROM positions"
_LATEST_FINDING: Final = """
    SELECT found_on, fraud FROM outcomes g
    WHERE {where} AND g.found_on < {epoch} + a.as_of ORDER BY found_on DESC, fraud LIMIT 1
"""


def _facts(columns: str, more: str) -> str:
    finding = _LATEST_FINDING.format(where="a.person AND g.claim = f.claim", epoch=_EPOCH)
    return f"""
SELECT a.entity, f.known_on - {_EPOCH}, f.claim, f.policy,
    o.found_on >= {_EPOCH} + a.oldest, o.fraud{columns}
FROM unnest(%s::int[], %s::int[], %s::bytea[], %s::int[], %s::int[], %s::int[], %s::boolean[])
    a (entity, kind, hash, oldest, as_of, most, person)
CROSS JOIN LATERAL (
    SELECT known_on, claim, policy, amount FROM facts
    WHERE kind = (%s::text[])[a.kind + 1] AND hash = a.hash
        AND known_on >= {_EPOCH} + a.oldest AND known_on < {_EPOCH} + a.as_of
    ORDER BY known_on DESC, claim DESC LIMIT a.most
) f
LEFT JOIN LATERAL ({finding}) o ON true{more}
ORDER BY a.entity, f.known_on, f.claim
"""


_FACTS: Final = _facts("", "")
_LINKS: Final = _facts(", f.amount, c.claim_id", "\nJOIN claims c ON c.claim = f.claim")
_TOTALS: Final = f"""
SELECT a.entity, t.* FROM unnest(
    %s::int[], %s::int[], %s::bytea[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[]
) a (entity, kind, hash, as_of, start0, start1, start2, start3)
CROSS JOIN LATERAL (
    SELECT {
    ", ".join(
        f"coalesce(sum(claims) FILTER (WHERE day >= {_EPOCH} + a.start{n}), 0)" for n in range(4)
    )
}, coalesce(sum(decided), 0), coalesce(sum(frauds), 0)
    FROM days WHERE kind = (%s::text[])[a.kind + 1] AND hash = a.hash AND day < {_EPOCH} + a.as_of
) t
"""
_KEPT: Final = f"""
WITH known AS MATERIALIZED (
    SELECT claim FROM unnest(%s::bytea[]) u (claim) JOIN claims USING (claim)
), asked AS MATERIALIZED (
    SELECT * FROM unnest(%s::int[], %s::bytea[], %s::int[], %s::bytea[]) a (pair, claim, kind, hash)
    JOIN known USING (claim)
)
SELECT a.pair, f.known_on - {_EPOCH}, f.policy, f.lost_on, f.amount
FROM asked a
JOIN facts f ON f.claim = a.claim AND f.kind = (%s::text[])[a.kind + 1] AND f.hash = a.hash
"""
_FINDINGS: Final = f"""
SELECT a.claim, a.as_of, o.found_on - {_EPOCH}, o.fraud
FROM unnest(%s::bytea[], %s::int[]) a (claim, as_of)
CROSS JOIN LATERAL ({_LATEST_FINDING.format(where="g.claim = a.claim", epoch=_EPOCH)}) o
"""


class HowRead(NamedTuple):
    """How the tables are read: kinds and bounds of the model."""

    kinds: tuple[EntityKind, ...]
    bounds: Bounds


class At(NamedTuple):
    """An entity as of a moment."""

    entity: EntityKey
    as_of: int


class StoreAnswers:
    """What the database said about some claims.

    Args:
        reader: kinds and bounds.
        asked: the claims.
        pending: facts that may not be in the database yet.
    """

    def __init__(self, reader: HowRead, asked: Sequence[Asked], pending: Pending) -> None:
        self._reader = reader
        self._pending: dict[At, list[ClaimFact]] = {}
        self._places: dict[At, int] = {}
        self._pairs: dict[tuple[ClaimRef, EntityKey], None] = {}
        self._claims: dict[tuple[ClaimRef, int], None] = {}
        for claim, keys, as_of in asked:
            self._claims[claim, as_of] = None
            for entity in keys:
                self._pairs[claim, entity] = None
                at = At(entity, as_of)
                if at not in self._places:
                    self._places[at] = len(self._places)
                    if entity in pending:
                        self._wait(at, pending[entity].values())
        self._seen: list[list[SeenClaim]] = [[] for _ in self._places]
        self._totals: dict[int, DayTotals] = {}
        self._kept: dict[EntityKey, dict[ClaimRef, ClaimFact]] = {}
        self._findings: dict[int, dict[ClaimRef, tuple[OutcomeFact, ...]]] = {}
        self._pasts: dict[At, RowsPast | None] = {}
        self._strangers: dict[At, KnownEntity] = {}
        self.linked: list[tuple[Any, ...]] = []

    def _wait(self, at: At, facts: Iterable[ClaimFact]) -> None:
        """Note the pending facts that are seen. One that is not takes the place of none that is."""
        for fact in facts:
            floored = ClaimFact(
                claim=fact.claim,
                known_at=start_of_day(fact.known_at),
                policy=fact.policy,
                day=fact.day,
                amount=fact.amount,
            )
            if floored.known_at < at.as_of:
                self._pending.setdefault(at, []).append(floored)
                self._pairs[fact.claim, at.entity] = None
                self._claims[fact.claim, at.as_of] = None

    def ask(self, connection: RowConnection, generation: UUID, *, linked: bool = False) -> None:
        """Ask everything, in a transaction that sees one state.

        Raises:
            EmptiedError: the database was emptied since it was opened.
        """
        facts = _LINKS if linked else _FACTS
        with asking(connection) as ask:
            state = ask(_STATE, ())
            found = ask(facts, self._asked_facts())
            totals = ask(_TOTALS, self._asked_totals())
            kept = ask(_KEPT, self._asked_kept())
            findings = ask(
                _FINDINGS,
                (
                    blobs(claim for claim, _ in self._claims),
                    numbers(day_of(as_of) for _, as_of in self._claims),
                ),
            )
        check_state(state.fetchall(), generation)
        rows = found.fetchall()
        for entity, day, claim, policy, decided, fraud, *_ in rows:
            one = SeenClaim(day * DAY, claim, policy, bool(decided), bool(decided and fraud))
            self._seen[entity].append(one)
        if linked:
            self.linked = rows
        self._take_totals(totals.fetchall())
        pairs = list(self._pairs)
        for pair, day, policy, lost_on, amount in kept.fetchall():
            claim, entity = pairs[pair]
            self._kept.setdefault(entity, {})[claim] = ClaimFact(
                claim=claim,
                known_at=day * DAY,
                policy=policy,
                day=None if lost_on is None else lost_on.toordinal(),
                amount=amount,
            )
        for claim, as_of, day, fraud in findings.fetchall():
            finding = OutcomeFact(claim=claim, known_at=day * DAY, fraud=fraud)
            self._findings.setdefault(as_of, {})[claim] = (finding,)

    def known(self, entity: EntityKey, claim: ClaimRef, as_of: int) -> KnownEntity:
        """What a claim is told of an entity."""
        at = At(entity, as_of)
        if at not in self._pasts:
            self._pasts[at] = self._past(at)
        past = self._pasts[at]
        own = None if past is None else past.own(claim)
        if own is None and at in self._strangers:
            return self._strangers[at]
        kind, bounds = self._reader.kinds[entity[0]], self._reader.bounds
        told = entity_features(past, kind, own, as_of, bounds)
        if own is None:
            self._strangers[at] = told
        return told

    def _past(self, at: At) -> RowsPast | None:
        place = self._places[at]
        kept = KeptFacts(
            self._kept.get(at.entity, {}),
            self._findings.get(day_of(at.as_of), {}),
            self._reader.bounds.span,
            at.as_of,
        )
        totals = self._totals.get(place)
        return past_of(self._seen[place], totals, self._pending.get(at, ()), kept)

    def _is_person(self, at: At) -> bool:
        return self._reader.kinds[at.entity[0]].like == "person"

    def _names(self) -> str:
        return texts(kind.kind for kind in self._reader.kinds)

    def _asked_facts(self) -> tuple[str, ...]:
        bounds, kinds, every = self._reader.bounds, self._reader.kinds, list(self._places)
        most = [
            bounds.most(kinds[at.entity[0]].like) + 1 + len(self._pending.get(at, ()))
            for at in every
        ]
        person = ["t" if self._is_person(at) else "f" for at in every]
        return (
            numbers(range(len(every))),
            numbers(at.entity[0] for at in every),
            blobs(at.entity[1] for at in every),
            numbers(day_of(at.as_of - bounds.span) for at in every),
            numbers(day_of(at.as_of) for at in every),
            numbers(most),
            "{" + ",".join(person) + "}",
            self._names(),
        )

    def _asked_totals(self) -> tuple[str, ...]:
        span = self._reader.bounds.span
        every = [(n, at) for at, n in self._places.items() if not self._is_person(at)]
        starts = [starts_of(at.as_of, span) for _, at in every]
        return (
            numbers(place for place, _ in every),
            numbers(at.entity[0] for _, at in every),
            blobs(at.entity[1] for _, at in every),
            numbers(day_of(at.as_of) for _, at in every),
            *(numbers(day_of(start[n]) for start in starts) for n in range(4)),
            self._names(),
        )

    def _take_totals(self, rows: Sequence[tuple[Any, ...]]) -> None:
        span, every = self._reader.bounds.span, list(self._places)
        for entity, *counts, decided, frauds in rows:
            starts = starts_of(every[entity].as_of, span)
            claims = dict(zip(starts, map(int, counts), strict=True))
            self._totals[entity] = DayTotals(claims, int(decided), int(frauds))

    def _asked_kept(self) -> tuple[str, ...]:
        pairs = list(self._pairs)
        return (
            blobs(dict.fromkeys(claim for claim, _ in pairs)),
            numbers(range(len(pairs))),
            blobs(claim for claim, _ in pairs),
            numbers(entity[0] for _, entity in pairs),
            blobs(entity[1] for _, entity in pairs),
            self._names(),
        )


class EmptiedError(Exception):
    """The database was emptied since it was opened."""


def links_in(answers: StoreAnswers, reader: HowRead, asked: Asked, most: int) -> list[Link]:
    """Links of a claim; see `View`. The answers are those about this claim, with what is linked."""
    told = {
        key
        for key in asked.keys
        if reader.kinds[key[0]].like == "person"
        and answers.known(key, asked.claim, asked.as_of).features is not None
    }
    entities = list(dict.fromkeys(asked.keys))
    by_kind: dict[int, dict[ClaimRef, Link]] = {}
    for place, day, claim, _, seen, fraud, amount, claim_id in answers.linked:
        key = entities[place]
        if key not in told or claim == asked.claim:
            continue
        link = Link(key[0], claim_id, day * DAY, fraud if seen else None, amount)
        by_kind.setdefault(key[0], {}).setdefault(claim, link)
    return [
        link
        for kind in sorted(by_kind)
        for _, link in sorted(
            by_kind[kind].items(), key=lambda one: (one[1].known_at, one[0]), reverse=True
        )[:most]
    ]


def read_positions(connection: RowConnection, generation: UUID) -> dict[int, int]:
    """Next offset by partition; partitions without any are left out.

    Raises:
        EmptiedError: the database was emptied since it was opened.
    """
    with asking(connection) as ask:
        state, found = ask(_STATE, ()), ask(_POSITIONS, ())
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
def asking(connection: RowConnection) -> Iterator[Any]:
    """Has all that is asked in the body answered in one round trip, of one state; a statement and
    its values give a cursor, to be read after the body.
    """

    def ask(statement: str, values: tuple[str, ...]) -> psycopg.Cursor[tuple[Any, ...]]:
        cursor = connection.cursor(binary=True)
        return cursor.execute(statement.encode(), values or None)

    with connection.pipeline():
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(_LOCK.encode())
        yield ask
        connection.execute("COMMIT")


def day_of(moment: int) -> int:
    """The first day that begins at a moment or later, since 1970."""
    return -(-moment // DAY)


def starts_of(as_of: int, span: int) -> tuple[int, ...]:
    """Since when claims are counted: all that are seen, and those of each window."""
    oldest = as_of - span
    return oldest, *(max(oldest, as_of - days * DAY) for days in WINDOWS)
