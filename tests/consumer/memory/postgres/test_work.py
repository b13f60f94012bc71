"""What a record or a question reads and writes in the database does not grow with what was sent
before: rows and entries of indexes are counted, as the server does.
"""

from typing import Any

import psycopg
import pytest

from consumer.memory.view import Asked, LogFact
from model.history.facts import claim_ref
from model.history.plan import Bounds
from tests.broker import wait
from tests.consumer.memory.logs import DAY, NOW
from tests.consumer.memory.postgres.mutants import store_of
from tests.consumer.memory.postgres.stores import TOPIC_SCHEMA, filled
from tests.consumer.memory.test_work import (
    FEW,
    MANY,
    MARGIN,
    SENT,
    dated_back,
    findings,
    name,
    other_names,
)
from tests.harness.mutants import Mutant

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MORE = 20
FORGOTTEN = 5
_ROWS = """
SELECT (
    SELECT sum(coalesce(seq_tup_read, 0) + n_tup_ins + n_tup_upd + n_tup_del)
    FROM pg_stat_user_tables WHERE schemaname = %(schema)s
) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = %(schema)s)
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def rows(url: str) -> int:
    """Rows of tables and entries of indexes that were read or changed so far; the server counts
    when a session ends.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        wait.until(lambda: connection.execute(_OTHERS).fetchone() == (0,), "the end of sessions")
        row = connection.execute(_ROWS, {"schema": TOPIC_SCHEMA}).fetchone()
    assert row is not None
    return int(row[0])


def grows(url: str, make: Any, of: Any = None) -> bool:
    """Whether a record, a question, or that records are forgotten of which nothing counts, takes
    more rows after more records.
    """
    taken = []
    for count in (FEW, MANY):
        view = filled(url, Bounds(), of)
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
