"""The database of a store: who may write, what it was filled from, and who was killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from consumer.errors import SettingsError, StoreStoppedError
from consumer.memory.postgres.schema import FilledFrom
from consumer.memory.postgres.store import (
    OvertakenError,
    PostgresStore,
    PostgresView,
    open_store,
    open_view,
)
from consumer.memory.view import Asked, LogFact
from consumer.settings.database import Database
from model.history.facts import claim_ref
from model.history.plan import Bounds, EntityKind
from schemas.memory import FactKey, FactKind, RememberedFinding
from tests.consumer.memory.logs import (
    DAY,
    KINDS,
    NOW,
    answers,
    hashed,
    in_memory,
    many_claims,
)
from tests.consumer.memory.postgres.stores import source

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LOG = many_claims(400)
SOURCE = source(Bounds(), KINDS)
SCHEMA = "claims_memory"
DAY_S = 86_400


def filled(url: str, changed: FilledFrom = SOURCE, **others: Any) -> PostgresStore:
    """The store of a database, going on from where that is."""
    found = open_store(Database(url), changed, changed.bounds, **others)
    found.positions()
    return found


def viewed(url: str, changed: FilledFrom = SOURCE) -> PostgresView:
    return open_view(Database(url), changed, changed.bounds)


def rows(url: str) -> dict[str, Any]:
    """Everything that is filled in."""
    with psycopg.connect(url, options=f"-c search_path={SCHEMA}") as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY {table}".encode()).fetchall()
            for table in ("claim_records", "findings", "facts", "outcomes", "days")
        }


def test_one_that_was_overtaken_writes_nothing(own_database: str) -> None:
    """Not even if it has waited in the middle of its transaction."""
    former, new = filled(own_database), filled(own_database)
    former.apply(LOG.facts[:10], {0: 10})
    assert new.reload([0, 1]) == {0: 10, 1: 0}
    new.apply(LOG.facts[10:20], {0: 20})
    before = rows(own_database)
    with pytest.raises(OvertakenError):
        former.apply(LOG.facts[10:30], {0: 30})
    assert rows(own_database) == before
    assert former.reload([0]) == {0: 20}
    former.apply(LOG.facts[20:30], {0: 30})
    assert viewed(own_database).positions() == {0: 30}


def test_a_commit_without_an_answer_is_not_done_twice(own_database: str) -> None:
    one, twin = filled(own_database), filled(own_database)
    one.apply(LOG.facts[:10], {0: 10})
    before = rows(own_database)
    twin.apply(LOG.facts[:10], {0: 10})  # as the same, which has not heard of its commit
    assert rows(own_database) == before
    twin.apply(LOG.facts[10:20], {0: 20})


def test_of_a_moment_is_complete_what_one_fills(own_database: str) -> None:
    """The partition that is furthest back counts; nobody speaks for those that others fill."""
    one, other = filled(own_database), filled(own_database)
    one.reload([0])
    one.apply(LOG.facts[:10], {0: 10})
    other.reload([1])
    other.apply(LOG.facts[10:20], {1: 10})
    long_ago = "UPDATE positions SET complete_at = now() - interval '9 days'"
    with psycopg.connect(own_database, options=f"-c search_path={SCHEMA}") as connection:
        connection.execute(long_ago)
    one.complete(time.time())
    assert other.incomplete_s() > 8 * DAY_S
    other.leave([1])
    other.complete(time.time())
    assert one.incomplete_s() > 8 * DAY_S
    other.reload([1])
    other.complete(time.time() - 3 * DAY_S)
    assert 2 * DAY_S < one.incomplete_s() < 4 * DAY_S
    other.complete(0.0)
    assert one.incomplete_s() < 4 * DAY_S, "what was complete stays so"


def test_two_that_write_about_the_same_claims_at_once_count_each_once(own_database: str) -> None:
    """A claim and what was found about it may be in two partitions, of two processes."""
    claims = [fact for fact in LOG.facts if fact.fact is not None]
    found = [
        LogFact(
            FactKey(FactKind.FINDING, told.key.claim_id, "outcomes", 0, number),
            RememberedFinding(claim_id=told.key.claim_id, known_at=NOW, fraud=number % 2 == 0),
        )
        for number, told in enumerate(claims)
    ]
    sent_again = [LogFact(key._replace(topic="again"), fact) for key, fact in claims]
    parts = (claims, found, sent_again[::-1])
    stores = [filled(own_database) for _ in parts]
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for start in range(0, len(claims), 20):
                some = parts[number][start : start + 20]
                stores[number].apply(some, {number: start + len(some)})
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    together = rows(own_database)
    alone = filled(own_database, rebuild=True)
    alone.apply([*claims, *found, *sent_again], {0: 1})
    assert rows(own_database) == together
    assert any(row[4] for row in together["days"]), "none is decided"


class Deadly(dict[int, int]):
    """Positions that kill the process when they are read: the transaction has the facts by then."""

    def items(self) -> Any:
        """Kill."""
        os.kill(os.getpid(), signal.SIGKILL)


def takes_in(url: str) -> None:
    """Take in some batches, and be killed inside the transaction of another."""
    view = filled(url)
    view.apply(LOG.facts[:100], {0: 100})
    view.apply(LOG.facts[100:200], Deadly({0: 200}))


def test_killed_inside_the_transaction_the_state_before_stays(own_database: str) -> None:
    code = (
        "from tests.consumer.memory.postgres.test_store import takes_in; "
        f"takes_in({own_database!r})"
    )
    root = Path(__file__).parents[4]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    view = filled(own_database)
    assert view.reload([0]) == {0: 100}
    assert len(rows(own_database)["claim_records"]) == 100
    view.apply(LOG.facts[100:200], {0: 200})
    assert len(rows(own_database)["claim_records"]) == 200


OTHERS: tuple[dict[str, Any], ...] = (
    {"fingerprint": "f" * 16},
    {"cluster": "c2"},
    {"bounds": Bounds(days=7)},
    {"bounds": Bounds(names=7)},
    {"bounds": Bounds(findings=7)},
    {"kinds": KINDS[::-1]},
    {"kinds": tuple(EntityKind(kind=kind.kind, like="person") for kind in KINDS)},
    {"kinds": (*KINDS, EntityKind(kind="doctor", like="business"))},
)


@pytest.mark.parametrize("changes", OTHERS, ids=lambda changes: next(iter(changes)))
def test_what_was_filled_with_anything_else_is_left_alone(
    changes: dict[str, Any], own_database: str
) -> None:
    """Others may read it; a command empties it."""
    filled(own_database).apply(LOG.facts[:10], {0: 10})
    before = rows(own_database)
    other = msgspec.structs.replace(SOURCE, **changes)
    for opening in (filled, viewed):
        with pytest.raises(SettingsError, match="MEMORY_STORE=postgresql://"):
            opening(own_database, other)
    assert rows(own_database) == before
    assert filled(own_database, other, rebuild=True).positions() == {}
    assert viewed(own_database, other).positions() == {}
    assert not any(rows(own_database).values())


def test_tables_of_another_release_are_left_alone(own_database: str) -> None:
    filled(own_database).apply(LOG.facts[:10], {0: 10})
    before = rows(own_database)
    with psycopg.connect(own_database) as connection:
        connection.execute(f"UPDATE {SCHEMA}.store SET format = format + 1".encode())
    for opening in (filled, viewed):
        with pytest.raises(SettingsError, match="filled with another format"):
            opening(own_database)
    assert rows(own_database) == before


def test_a_database_that_may_only_be_read_is_read_and_not_filled(own_database: str) -> None:
    """Such as a copy that follows another server."""
    filled(own_database).apply(LOG.facts[:10], {0: 10})
    with psycopg.connect(own_database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    assert viewed(own_database).positions() == {0: 10}
    with pytest.raises(StoreStoppedError, match="read-only transaction"):
        filled(own_database)


def test_topics_of_nearly_the_same_name_do_not_share_a_schema(own_database: str) -> None:
    filled(own_database)
    with pytest.raises(SettingsError, match="another topic"):
        filled(own_database, msgspec.structs.replace(SOURCE, topic="claims.memory"))


def test_a_copy_that_was_filled_from_the_topic_before_it_was_made_again_is_emptied(
    own_database: str,
) -> None:
    former = filled(own_database)
    former.apply(LOG.facts[:10], {0: 10})
    again = msgspec.structs.replace(SOURCE, topic_id="t2")
    with pytest.raises(StoreStoppedError, match="made again"):
        viewed(own_database, again)
    reading = viewed(own_database)
    assert filled(own_database, again).positions() == {}
    assert not any(rows(own_database).values())
    with pytest.raises(OvertakenError):
        former.apply(LOG.facts[10:20], {0: 20})
    with pytest.raises(OvertakenError):
        former.complete(0.0)
    with pytest.raises(StoreStoppedError, match="made again"):
        former.reload([0])
    asked = Asked(claim_ref("x"), [(0, hashed(1))], NOW)
    for ask in (
        reading.positions,
        lambda: reading.histories([asked], {}),
        lambda: reading.links([asked], 5),
    ):
        with pytest.raises(StoreStoppedError, match="was emptied"):
            ask()


def test_who_reads_needs_no_right_to_write(own_database: str) -> None:
    """See tests/deploy/test_grants.py for each right."""
    filled(own_database).apply(LOG.facts, {0: 400})
    role = f"reader_{os.getpid()}_{own_database[-6:]}"
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}".encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}".encode())
            scheme, _, rest = own_database.partition("://")
            url = f"{scheme}://{role}@{rest.rpartition('@')[2]}"
            view = viewed(url)
            asked = Asked(claim_ref("x"), [(0, hashed(0))], NOW + DAY)
            expected = in_memory(Bounds(), LOG.facts).history(*asked)
            assert answers(view.histories([asked], {})) == answers([expected])
            assert view.positions() == {0: 400}
            with pytest.raises(StoreStoppedError, match="permission denied"):
                open_store(Database(url), SOURCE, Bounds())
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:1/d?password=secret", "postgresql://h:1/d"),
        ("postgres://u:sec%ret@h/d", "postgresql://h/d"),
        ("postgresql://[secret", "postgresql://…"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert repr(Database(url)) == str(Database(url)) == shown
    with pytest.raises((SettingsError, StoreStoppedError)) as refused:
        open_view(Database(url), SOURCE, Bounds())
    assert "secret" not in str(refused.value)
    assert "sec%ret" not in str(refused.value)


def test_without_its_package_it_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from consumer.memory.assembly import require_psycopg; require_psycopg()"
    )
    root = Path(__file__).parents[4]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert "needs the package psycopg, the extra memory-postgres" in ended.stderr
