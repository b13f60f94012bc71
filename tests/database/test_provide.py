"""A PostgreSQL for the tests: given, or killed and started again; and databases of it."""

import psycopg
import pytest

from tests.database.native import NativePostgres
from tests.database.provide import database, provide


def test_it_is_the_one_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "given")
    with provide() as url:
        assert url == "given"


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
