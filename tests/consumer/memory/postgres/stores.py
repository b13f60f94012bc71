"""Stores of the checks in a PostgreSQL database, as if each had a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from consumer.memory.postgres.schema import TABLES, FilledFrom
from consumer.memory.postgres.store import PostgresStore, open_store
from consumer.settings.database import Database
from model.history.plan import Bounds, EntityKind
from tests.consumer.memory.logs import KINDS


def source(
    bounds: Bounds,
    kinds: Sequence[EntityKind],
    fingerprint: str = "0123456789abcdef",
    topic_id: str = "t1",
    topic: str = "claims-memory",
) -> FilledFrom:
    """What a store is filled from."""
    return FilledFrom(
        cluster="c1",
        topic=topic,
        topic_id=topic_id,
        fingerprint=fingerprint,
        bounds=bounds,
        kinds=tuple(kinds),
    )


TOPIC_SCHEMA = "claims_memory"


def filled(url: str, bounds: Bounds, store: Any = None) -> PostgresStore:
    """A new store of a database.

    Args:
        url: of the database.
        bounds: how much is looked at.
        store: the module; a mutant's, or the real one.
    """
    make = open_store if store is None else store.open_store
    found: PostgresStore = make(Database(url), source(bounds, KINDS), bounds, rebuild=True)
    found.positions()
    return found


class PostgresStores:
    """What `consumer.memory.store` is to the checks, of schemas of one database: a folder that is
    not there stands for a new store.

    Args:
        url: of the database.
        store: the module; a mutant's, or the real one.
    """

    def __init__(self, url: str, store: Any = None) -> None:
        self._url = url
        self._open = open_store if store is None else store.open_store

    def open_store(
        self,
        folder: Path,
        kinds: Sequence[EntityKind],
        bounds: Bounds,
        fingerprint: str,
        topic_id: str,
        map_bytes: int = 0,
    ) -> PostgresStore:
        """The store of a folder."""
        new = not folder.exists()
        folder.mkdir(exist_ok=True)
        filled = source(bounds, kinds, fingerprint, topic_id)
        found: PostgresStore = self._open(
            Database(self._url), filled, bounds, schema=f"view_{folder.name}", rebuild=new
        )
        found.positions()
        return found

    def dumped(self, folder: Path) -> dict[bytes, Any]:
        """Everything in the tables of a folder."""
        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET search_path TO view_{folder.name}".encode())
            found = {
                table.encode(): connection.execute(
                    f"SELECT * FROM {table} ORDER BY {table}".encode()
                ).fetchall()
                for table in TABLES
            }
            found[b"positions"] = connection.execute(
                "SELECT partition, next_offset FROM positions ORDER BY partition"
            ).fetchall()
            return found
