"""A PostgreSQL for the tests is found in the documented order."""

import contextlib
from collections.abc import Iterator
from typing import Any, Self

import psycopg
import pytest

from tests.database.native import NativePostgres, NoPostgresError
from tests.database.provide import database, provide


class Native:
    url = "native"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@contextlib.contextmanager
def docker() -> Iterator[str]:
    yield "docker"


@contextlib.contextmanager
def no_docker() -> Iterator[str]:
    raise NoPostgresError("no Docker engine")
    yield


def missing() -> None:
    raise NoPostgresError("no package")


def found(container: Any, required: Any = lambda: None) -> str:
    native: Any = Native
    with provide(container, required, native) as url:
        return url


def test_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "given")
    assert found(docker) == "given"
    monkeypatch.delenv("POSTGRES_URL")
    assert found(docker) == "docker"
    assert found(no_docker) == "native"
    with pytest.raises(NoPostgresError, match="no package"):
        found(no_docker, missing)


@pytest.mark.postgres
@pytest.mark.slow
def test_a_native_one_answers_and_comes_back_after_a_kill(
    native_postgres: type[NativePostgres],
) -> None:
    with native_postgres() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


@pytest.mark.postgres
@pytest.mark.slow
def test_a_database_of_ones_own_is_gone_afterwards(postgres: str) -> None:
    with database(postgres) as url:
        psycopg.connect(url).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
