"""What a record or a question reads and writes in the database does not grow with what was sent
before: rows and entries of indexes are counted, as the server does.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import sql

from consumer.batch.recalled import MOST_LINKS
from consumer.memory.postgres.connection import (
    PostgresConnection,
    RowConnection,
    WorkAnswer,
)
from consumer.memory.postgres.schema import TABLES, found
from consumer.memory.postgres.store import PostgresView
from consumer.memory.recall import links_of
from consumer.memory.view import Asked, LogFact, Pending
from consumer.settings.database import Database
from model.history.facts import ClaimFact, claim_ref
from model.history.plan import Bounds
from model.history.store import EntityKey
from schemas.memory import FactKey, FactKind, RememberedFinding
from tests.broker import wait
from tests.consumer.memory.logs import DAY, NOW
from tests.consumer.memory.postgres.mutants import store_of
from tests.consumer.memory.postgres.stores import TOPIC_SCHEMA, filled
from tests.consumer.memory.test_work import (
    FEW,
    MANY,
    MARGIN,
    SENT,
    calls,
    dated_back,
    findings,
    name,
    other_names,
    sent,
)
from tests.harness.mutants import Mutant

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MORE = 20
FORGOTTEN = 5
_ROWS = """
SELECT (
    SELECT sum(coalesce(seq_tup_read, 0) + n_tup_ins + n_tup_upd + n_tup_del)
    FROM pg_stat_user_tables WHERE schemaname = %(schema)s AND relname LIKE %(table)s
) + (
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
    WHERE schemaname = %(schema)s AND relname LIKE %(table)s
)
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def rows(url: str, table: str = "%") -> int:
    """Rows of tables and entries of indexes that were read or changed so far; the server counts
    when a session ends.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        wait.until(lambda: connection.execute(_OTHERS).fetchone() == (0,), "the end of sessions")
        row = connection.execute(_ROWS, {"schema": TOPIC_SCHEMA, "table": table}).fetchone()
    assert row is not None
    return int(row[0])


def without_statistics(url: str) -> None:
    """Keep the server from gathering statistics when it sees fit: with them it may choose well even
    where it is free to choose badly.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            name = sql.Identifier(TOPIC_SCHEMA, table)
            connection.execute(
                sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(name)
            )


def grows(url: str, make: Any, of: Any = None) -> bool:
    """Whether a record, a question, or that records are forgotten of which nothing counts, takes
    more rows after more records.
    """
    taken = []
    for count in (FEW, MANY):
        view = filled(url, Bounds(), of)
        without_statistics(url)
        facts = make(count + MORE)
        for start in range(0, count, MORE):
            view.apply(facts[start : start + MORE], {})
        asked = [
            Asked(claim_ref("same"), tuple((n % 2, name(n)) for n in range(8)), NOW + day * DAY)
            for day in range(2)
        ]

        def apply(view: Any = view, more: Any = facts[count:]) -> None:
            for one in more:
                view.apply([one], {})

        def forget(view: Any = view, late: Any = facts[200:]) -> None:
            for told in late[:FORGOTTEN]:
                view.apply([LogFact(told.key, None)], {})

        def recall(view: Any = view, asked: Any = asked) -> None:
            view.histories(asked, {})

        costs = []
        for act in (apply, recall, forget):
            view.close()
            before = rows(url)
            act()
            view.close()
            costs.append(rows(url) - before)
        taken.append(costs)
    return any(many > MARGIN * few for few, many in zip(*taken, strict=True))


@pytest.mark.parametrize("make", SENT, ids=lambda make: make.__name__)
def test_a_record_costs_what_it_adds(make: Any, own_database: str) -> None:
    assert not grows(own_database, make)


MUTANTS = (
    (
        dated_back,
        Mutant(
            "all names count", "writing", "WHERE n.place > (SELECT names FROM store)", "WHERE false"
        ),
    ),
    (
        findings,
        Mutant(
            "all findings count", "writing",
            "WHERE c.place < (SELECT findings FROM store)", "",
        ),
    ),
    (
        other_names,
        Mutant(
            "all records are read when one is forgotten", "writing",
            "IS NOT DISTINCT FROM (g.known_on, g.policy, g.lost_on, g.amount)",
            "IS NOT NULL OR true",
        ),
    ),
    (
        findings,
        Mutant(
            "tables are read as they come", "writing",
            '("hashjoin", "mergejoin", "seqscan", "bitmapscan")', "()",
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("make", "mutant"), MUTANTS, ids=[f"{make.__name__}: {one.what}" for make, one in MUTANTS]
)
def test_a_mutant_is_found_out(make: Any, mutant: Mutant, own_database: str) -> None:
    assert grows(own_database, make, store_of(mutant))


WIDE = Bounds(days=4_000, person=5_000, common=5_000)
PERSON: tuple[EntityKey, ...] = ((0, name(0)),)
GARAGE: tuple[EntityKey, ...] = ((1, name(1)),)


def of_one(count: int, days: int = 300) -> list[LogFact]:
    """Claims of some days that name the same person and the same garage."""
    return [sent(number, f"c{number}", number % days, names=2) for number in range(count)]


def after(days: int, entities: tuple[EntityKey, ...] = PERSON) -> list[Asked]:
    """Claims of different days, that see all of these."""
    return [Asked(claim_ref(f"a{day}"), entities, NOW + day * DAY) for day in range(1, days + 1)]


def applied_facts(url: str, count: int, of: Any) -> tuple[Any, Pending]:
    view = filled(url, WIDE, of)
    view.apply(of_one(count), {})
    return view, {}


def pending_facts(url: str, count: int, of: Any) -> tuple[Any, Pending]:
    facts = {
        str(n).encode(): ClaimFact(claim=claim_ref(f"p{n}"), known_at=NOW - n % 300 * DAY)
        for n in range(count)
    }
    return filled(url, WIDE, of), dict.fromkeys(PERSON, facts)


def fact_is_read_again(url: str, make: Any, of: Any = None) -> bool:
    """Whether what a fact of a person costs is more, the more days are asked about."""
    more = []
    for days in (10, 100):
        costs = []
        for count in (100, 700):
            view, pending = make(url, count, of)
            view.positions()
            costs.append(calls(partial(view.histories, after(days), pending)))
            view.close()
        more.append(costs[1] - costs[0])
    return more[1] > MARGIN * more[0]


@pytest.mark.parametrize("make", [applied_facts, pending_facts], ids=lambda make: make.__name__)
def test_whatever_days_are_asked_about_a_fact_is_read_once(make: Any, own_database: str) -> None:
    assert not fact_is_read_again(own_database, make)


@pytest.mark.parametrize(
    ("make", "mutant"),
    [
        (
            applied_facts,
            Mutant("each day reads what it sees", "reading", "lag(day, 1, oldest)",
                   "first_value(oldest)"),
        ),
        (
            pending_facts,
            Mutant("each day looks at what is pending", "reading",
                   "self._wait(entity, pending[entity].values(), some[-1] * DAY)",
                   "[self._wait(entity, pending[entity].values(), one * DAY) for one in some]"),
        ),
    ],
    ids=lambda one: one.what if isinstance(one, Mutant) else "",
)  # fmt: skip
def test_a_mutant_that_reads_again_is_found_out(
    make: Any, mutant: Mutant, own_database: str
) -> None:
    assert fact_is_read_again(own_database, make, store_of(mutant))


def crowd_is_read(url: str, of: Any = None) -> bool:
    """Whether days cost more of whose claims a person has more than make it a placeholder."""
    taken = []
    for each in (4, 60):
        view = filled(url, Bounds(person=30), of)
        view.apply(of_one(each * 20, 20), {})
        asked = [one._replace(as_of=one.as_of - 10 * DAY) for one in after(10)]
        view.positions()
        taken.append(calls(partial(view.histories, asked, {})))
        view.close()
    return taken[1] > MARGIN * taken[0]


def test_of_a_placeholder_no_claims_are_read(own_database: str) -> None:
    assert not crowd_is_read(own_database)


def test_a_mutant_that_reads_them_is_found_out(own_database: str) -> None:
    mutant = Mutant(
        "nobody is a placeholder", "reading", "a.person AND a.most <=", "false AND a.most <="
    )
    assert crowd_is_read(own_database, store_of(mutant))


def test_whatever_days_are_asked_about_totals_are_read_once(own_database: str) -> None:
    taken = []
    for days in (10, 100):
        view = filled(own_database, WIDE)
        view.apply(of_one(600), {})
        view.close()
        before = rows(own_database, "days")
        view.histories(after(days, GARAGE), {})
        view.close()
        taken.append(rows(own_database, "days") - before)
    assert taken[0] >= 300
    assert taken[1] == taken[0]


class CountingConnection(PostgresConnection):
    """Counts transactions."""

    count = 0

    def run(self, work: Callable[[RowConnection], WorkAnswer]) -> WorkAnswer:
        self.count += 1
        return super().run(work)


def test_links_of_a_batch_are_asked_for_at_once(own_database: str) -> None:
    view = filled(own_database, WIDE)
    view.apply(of_one(40), {})
    connection = CountingConnection(Database(own_database), TOPIC_SCHEMA, 5, 5)
    said = connection.run(lambda on: found(on, TOPIC_SCHEMA))
    assert said is not None
    reading = PostgresView(connection, said, WIDE)
    reading.reads(said.source)
    asked, before = after(30), connection.count
    links = links_of(reading, asked, range(0, 30, 2))
    assert connection.count == before + 1
    assert {row: [*some] for row, some in links.items()} == {
        row: view.links([asked[row]], MOST_LINKS)[0] for row in range(0, 30, 2)
    }
    assert all(len(some) == MOST_LINKS for some in links.values())
    reading.close()
    view.close()


def named_again(number: int, names: int) -> LogFact:
    """A record of the same claim, of a later day each time."""
    return sent(number, day=100 - number, names=names)


def on_day(number: int) -> LogFact:
    """A finding of a later day, the other way round each time."""
    return found_on(number, 100 - number)


def found_on(number: int, day: int) -> LogFact:
    said = RememberedFinding(claim_id="same", known_at=NOW - day * DAY, fraud=bool(number % 2))
    return LogFact(FactKey(FactKind.FINDING, "same", "outcomes", 0, number), said)


def record_recomputes(url: str, of: Any = None) -> bool:
    """Whether one more record, or finding, takes more rows of what was found about a claim, the
    more it names.
    """
    taken = []
    most = Bounds().findings
    for names in (4, 60):
        view = filled(url, Bounds(), of)
        view.apply([named_again(number, names) for number in range(10)], {})
        view.apply([on_day(number) for number in range(most - 1)], {})
        costs = []
        for late in (named_again(10, names), on_day(most - 1), on_day(most)):
            view.close()
            before = rows(url, "outcomes")
            view.apply([late], {})
            view.close()
            costs.append(rows(url, "outcomes") - before)
        taken.append(costs)
    return any(many > MARGIN * few for few, many in zip(*taken, strict=True))


def test_what_does_not_change_is_not_computed_again(own_database: str) -> None:
    assert not record_recomputes(own_database)


def test_a_mutant_that_computes_it_again_is_found_out(own_database: str) -> None:
    mutant = Mutant(
        "facts that stay count again", "writing",
        "GROUP BY claim, kind, hash, known_on HAVING sum(sign) <> 0",
        "GROUP BY claim, kind, hash, known_on",
    )  # fmt: skip
    assert record_recomputes(own_database, store_of(mutant))
