"""The PostgreSQL that tests run on, and databases of it."""

import contextlib
import uuid
from collections.abc import Iterator

import psycopg

from tests.database.container import postgres_container
from tests.database.native import NativePostgres, programs
from tests.harness import servers


def provide() -> servers.Server:
    """Run or find a server for the length of the block; the value is the URL of a database of the
    superuser.

    Raises:
        NoPostgresError: on entry: there is no way to one here.
    """
    return servers.provide("POSTGRES_URL", postgres_container, programs, _native)


@contextlib.contextmanager
def _native() -> Iterator[str]:
    with NativePostgres() as server:
        yield server.url


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """A new database of a server, gone at the end; the value is its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _execute(url, f"CREATE DATABASE {name}")
    try:
        base, mark, parameters = url.partition("?")
        yield f"{base.rpartition('/')[0]}/{name}{mark}{parameters}"
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
