"""The command `memory` if MEMORY_STORE is a database: fills it from the log, compares the two."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from psycopg import sql

from consumer.errors import SettingsError
from consumer.history.access.filling import Kept, fill, kept_by, scan_of
from consumer.history.access.scan import LogScan
from consumer.history.keeping import DIFFERENT, SHOWN, Verified, in_words
from consumer.history.listing import json_line
from consumer.memory.postgres.applier import Applier, source_of
from consumer.memory.postgres.connection import PostgresConnection, RowConnection
from consumer.memory.postgres.schema import TABLES, FilledFrom, schema_of
from consumer.memory.postgres.store import PostgresStore, open_store, open_view
from consumer.settings.database import Database
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.telemetry.health import Loop
from consumer.telemetry.memory_metrics import MemoryMetrics
from consumer.telemetry.metrics import ProcessMetrics

ASIDE: Final = "_verify"
"""Suffix of a schema that is filled from scratch, to compare with."""
COMPARING_S: Final = 86_400.0


def applying(settings: Settings, metrics: ProcessMetrics, loop: Loop, stop: Stop) -> None:
    """Fill the database until it is stopped.

    Raises:
        SettingsError: MEMORY_STORE is not a database, the database is filled for something else, or
            there is no key or model.
        StoreStoppedError: the database does not answer.
        KafkaStoppedError: the log cannot be read.
    """
    kept, database = kept_by(settings), database_of(settings)
    counts = MemoryMetrics(metrics, [kind.kind for kind in kept.kinds])
    with closing(open_store(database, _source(settings, kept), kept.bounds)) as store:
        applier = Applier(settings, store, kept.log, kept.fingerprint, counts, loop)
        stop.gracefully()
        applier.run(lambda: not stop.asked, lambda: counts.behind.set(applier.behind_ms / 1_000))


def database_of(settings: Settings) -> Database:
    """The database in MEMORY_STORE.

    Raises:
        SettingsError: it is a folder.
    """
    database = settings.memory_store
    if isinstance(database, Database):
        return database
    raise SettingsError(
        f"MEMORY_STORE={database} is a folder, which its own process fills; a database that others "
        "read is postgresql://USER@HOST:PORT/DATABASE"
    )


def verify_database(settings: Settings, stop: Stop, *, as_json: bool) -> int:
    """Compare the database with the log; returns the exit code. Those who fill it may go on,
    with a short wait.

    Raises:
        SettingsError, StoreStoppedError, KafkaStoppedError: see `applying`.
        StoppedError: a signal asked to stop.
    """
    kept, database = kept_by(settings), database_of(settings)
    source = _source(settings, kept)
    schema = schema_of(source.topic)
    live = PostgresConnection(database, schema, 0, COMPARING_S)
    with (
        closing(open_view(database, source, kept.bounds)) as view,
        closing(live),
        _aside(database, source, kept, schema + ASIDE) as expected,
    ):
        scan = scan_of(settings, kept, stop)
        for _ in range(2):  # most of it, then what came meanwhile
            fill(expected, scan, view.positions())
        found = live.run(lambda on: _compared(on, database, schema, expected, scan))
    if as_json:
        sys.stdout.write(f"{json_line(found)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in in_words(found))
    return 0 if found.equal else DIFFERENT


def rebuild_database(settings: Settings, _: Stop, *, as_json: bool) -> int:
    """Empty the database, whatever it was filled from; returns the exit code.
    ``memory apply`` fills it.

    Raises:
        SettingsError, StoreStoppedError, KafkaStoppedError: see `applying`.
    """
    kept, database = kept_by(settings), database_of(settings)
    open_store(database, _source(settings, kept), kept.bounds, rebuild=True).close()
    if as_json:
        sys.stdout.write(f"{json_line({'emptied': repr(database)})}\n")
    else:
        sys.stdout.write(
            f"{database} is empty. python -m consumer memory apply fills it; workers that were "
            "reading it stop, and wait for it when they are started again\n"
        )
    return 0


def compact_database(settings: Settings, _: Stop, *, as_json: bool) -> int:
    """Refuse: PostgreSQL does this itself.

    Raises:
        SettingsError: always.
    """
    raise SettingsError(
        f"MEMORY_STORE={settings.memory_store!r}: PostgreSQL gives room back by itself "
        f"(autovacuum); VACUUM FULL if much was forgotten{', as SQL' if as_json else ''}"
    )


def _source(settings: Settings, kept: Kept) -> FilledFrom:
    return source_of(settings, kept.log, kept.kinds, kept.bounds, kept.fingerprint)


@contextmanager
def _aside(
    database: Database, source: FilledFrom, kept: Kept, schema: str
) -> Iterator[PostgresStore]:
    """An empty store in a schema that is dropped afterwards."""
    store = open_store(database, source, kept.bounds, schema=schema, rebuild=True)
    try:
        yield store
    finally:
        store.drop()
        store.close()


def _compared(
    on: RowConnection, database: Database, schema: str, expected: PostgresStore, scan: LogScan
) -> Verified:
    """Compare a schema with another that is filled up to the same positions."""
    holding = PostgresConnection(database, schema, 0, COMPARING_S)
    with closing(holding), on.transaction():
        on.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def caught_up(held: RowConnection) -> None:
            with held.transaction():
                positions = held.execute(
                    "SELECT partition, next_offset FROM positions FOR SHARE"
                ).fetchall()
                fill(expected, scan, {p: offset for p, offset in positions if offset})
                on.execute("SELECT FROM store").fetchall()  # takes the snapshot to compare

        holding.run(caught_up)
        more = {table: _count(on, schema, schema + ASIDE, table) for table in TABLES}
        fewer = {table: _count(on, schema + ASIDE, schema, table) for table in TABLES}
        rows = sum(_all(on, schema, table) + fewer[table] for table in TABLES)
        claims = dict.fromkeys([*_claims(on, schema, ASIDE), *_claims(on, schema + ASIDE, "")])
    return Verified(
        equal=not any((*more.values(), *fewer.values())),
        rows=rows,
        more={table: count for table, count in more.items() if count},
        fewer={table: count for table, count in fewer.items() if count},
        claims=tuple(claims)[:SHOWN],
    )


def _count(on: RowConnection, of: str, but: str, table: str) -> int:
    """Rows of a table that another schema does not have."""
    query = sql.SQL("SELECT count(*) FROM (TABLE {} EXCEPT TABLE {}) rows")
    asked = on.execute(query.format(sql.Identifier(of, table), sql.Identifier(but, table)))
    return _number(asked.fetchone())


def _all(on: RowConnection, schema: str, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    return _number(on.execute(query).fetchone())


def _claims(on: RowConnection, of: str, ending: str) -> list[str]:
    """Ids of claims for which a schema has records that the other lacks."""
    but = of + ending if ending else of.removesuffix(ASIDE)
    query = sql.SQL(
        "SELECT DISTINCT claim_id FROM {} JOIN ("
        "(SELECT claim FROM (TABLE {} EXCEPT TABLE {}) r) UNION "
        "(SELECT claim FROM (TABLE {} EXCEPT TABLE {}) f)) d USING (claim) ORDER BY claim_id LIMIT "
        "{}"
    ).format(
        sql.Identifier(of, "claims"),
        sql.Identifier(of, "claim_records"),
        sql.Identifier(but, "claim_records"),
        sql.Identifier(of, "findings"),
        sql.Identifier(but, "findings"),
        sql.Literal(SHOWN),
    )
    return [claim_id for (claim_id,) in on.execute(query).fetchall()]


def _number(row: tuple[object, ...] | None) -> int:
    assert row is not None
    return int(str(row[0]))
