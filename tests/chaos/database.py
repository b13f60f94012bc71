"""The PostgreSQL database of a round: how it is harmed, and what it has to be in the end."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg

from consumer.memory.log import log_fact
from consumer.memory.postgres.schema import TABLES, FilledFrom, FoundSource, found, schema_of
from consumer.memory.postgres.store import open_store
from consumer.settings.database import Database
from tests.broker.read import Record
from tests.database.native import NativePostgres

ANEW: Final = "anew"
"""The schema that is filled from the log, to be compared with."""


class RoundDatabase:
    """A database that nothing else uses, of a server that may be killed.

    Args:
        server: runs.
        url: of the database.
        topic: the log that it is filled from.
    """

    def __init__(self, server: NativePostgres, url: str, topic: str) -> None:
        self.server = server
        self.url = url
        self._schema = schema_of(topic)

    def heal(self) -> None:
        """Have the server run."""
        if not self.server.running:
            self.server.start()

    def drop(self) -> None:
        """Have everything gone that was filled in, tables included."""
        self.execute("DROP SCHEMA {schema} CASCADE")

    def execute(self, *statements: str) -> None:
        """Run statements about `{schema}` in one transaction."""
        with psycopg.connect(self.url) as connection:
            for statement in statements:
                connection.execute(statement.format(schema=self._schema).encode())

    def has(self, ends: Mapping[int, int]) -> bool:
        """Whether everything up to these ends of partitions has been applied."""
        positions = self._positions()
        return all(positions.get(partition, 0) >= end for partition, end in ends.items())

    def differences(self, log: Sequence[Record]) -> Iterator[str]:
        """How it differs from one that is filled from the log.

        Args:
            log: all of its committed records.
        """
        positions = self._positions()
        behind = [row.place for row in log if row.offset >= positions.get(row.partition, 0)]
        if behind:
            yield f"{len(behind)} records were not applied, such as {behind[0]}"
        source = self._source()
        if source is None:
            yield "it is not filled from anything"
            return
        self._fill_anew(source, [row for row in log if row.place not in set(behind)])
        own, anew = self._rows(self._schema), self._rows(ANEW)
        for table in TABLES:
            more, fewer = own[table] - anew[table], anew[table] - own[table]
            if more or fewer:
                yield (
                    f"{table}: {more.total()} rows too many, {fewer.total()} missing, such as "
                    f"{next(iter(more or fewer))}"
                )

    def _positions(self) -> dict[int, int]:
        with contextlib.suppress(psycopg.errors.UndefinedTable), self._connected() as connection:
            rows = connection.execute("SELECT partition, next_offset FROM positions").fetchall()
            return {int(partition): int(offset) for partition, offset in rows}
        return {}

    def _source(self) -> FilledFrom | None:
        with self._connected() as connection:
            said: FoundSource | None = found(connection, self._schema)
        return None if said is None else said.source

    def _fill_anew(self, source: FilledFrom, log: Sequence[Record]) -> None:
        database = Database(self.url)
        store = open_store(database, source, source.bounds, schema=ANEW, rebuild=True)
        with contextlib.closing(store):
            ends = {row.partition: row.offset + 1 for row in log}
            store.apply([log_fact(row.key, row.value) for row in log], ends)

    def _rows(self, schema: str) -> Mapping[str, Counter[tuple[Any, ...]]]:
        with self._connected(schema) as connection:
            return {
                table: Counter(
                    tuple(tuple(v) if isinstance(v, list) else v for v in row)
                    for row in connection.execute(f"SELECT * FROM {table}".encode()).fetchall()
                )
                for table in TABLES
            }

    def _connected(self, schema: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        options = f"-c search_path={schema or self._schema}"
        return psycopg.connect(self.url, options=options)
