"""Which PostgreSQL the tests run on: one given, one in Docker, or one started natively."""

import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg

from tests.database.container import postgres_container
from tests.database.native import NativePostgres, NoPostgresError, programs

Server = AbstractContextManager[str]
"""Runs for the length of the block; the value is the URL of a database of the superuser."""


@contextlib.contextmanager
def provide(
    container: Callable[[], Server] = postgres_container,
    required: Callable[[], object] = programs,
    native: Callable[[], AbstractContextManager[NativePostgres]] = NativePostgres,
) -> Iterator[str]:
    """Run or find a server for the length of the block.

    Raises:
        NoPostgresError: there is no way to one here.
    """
    if given := os.environ.get("POSTGRES_URL"):
        yield given
        return
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(container())
        except NoPostgresError as why:
            required()
            sys.stderr.write(f"tests: {why}: starting PostgreSQL natively\n")
            url = stack.enter_context(native()).url
        yield url


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
