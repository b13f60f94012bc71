"""Connections: what the URL says goes to libpq, and no statement is waited for without end."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumer.errors import SettingsError, StoreStoppedError
from consumer.memory.postgres.connection import PostgresConnection, RowConnection
from consumer.memory.postgres.store import open_view
from consumer.settings.database import Database
from model.history.plan import Bounds
from tests.broker import ports, wait
from tests.consumer.memory.logs import KINDS
from tests.consumer.memory.postgres.stores import TOPIC_SCHEMA, filled, source
from tests.database.native import OTHER, NativePostgres

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def said(url: str, statement: str) -> Any:
    """What the database answers to a statement on a connection to a URL."""
    connection = PostgresConnection(Database(url), "public", 0, 5)
    try:
        row = connection.run(lambda on: on.execute(statement.encode()).fetchone())
    finally:
        connection.close()
    assert row is not None
    return row[0]


def with_parameters(url: str, parameters: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameters}"


def test_parameters_of_the_url_go_before_what_is_preset(own_database: str) -> None:
    asked = "SELECT current_setting('application_name')"
    assert said(own_database, asked) == "fraud-scorer"
    assert said(with_parameters(own_database, "application_name=mine"), asked) == "mine"
    zone = with_parameters(own_database, "options=-c%20timezone%3DAsia/Tokyo")
    assert said(zone, "SELECT current_setting('timezone')") == "Asia/Tokyo"


@contextlib.contextmanager
def connected(url: str, patience_s: float = 0, **others: Any) -> Iterator[PostgresConnection]:
    """A connection with its usual limits."""
    made = PostgresConnection(Database(url), "My Schema", patience_s, 5, **others)
    try:
        yield made
    finally:
        made.close()


def status(on: RowConnection) -> str:
    """Whether a transaction is open."""
    return on.info.transaction_status.name


PRESET = {
    "search_path": '"My Schema"',
    "jit": "off",
    "client_encoding": "UTF8",
    "statement_timeout": "5s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "30s",
}


@pytest.mark.parametrize("name", PRESET)
def test_a_session_has_its_limits_whatever_the_url_says(own_database: str, name: str) -> None:
    options = "options=-c%20jit%3Don%20-c%20lock_timeout%3D0&client_encoding=LATIN1"
    with connected(with_parameters(own_database, options)) as connection:
        row = connection.run(lambda on: on.execute(f"SHOW {name}".encode()).fetchone())
        assert row == (PRESET[name],)


def test_when_a_connection_counts_as_lost_is_preset(own_database: str) -> None:
    preset = {
        "connect_timeout": "10",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "25000",
    }
    for parameters, changed in (("", {}), ("keepalives_idle=7", {"keepalives_idle": "7"})):
        with connected(with_parameters(own_database, parameters)) as connection:
            given = connection.run(lambda on: on.info.get_parameters())
            assert preset | changed == {name: given.get(name) for name in preset}


@pytest.mark.parametrize(("patience_s", "within"), [(0, "10"), (1, "2"), (3, "3"), (30, "10")])
def test_a_connection_is_not_waited_for_longer_than_for_the_database(
    own_database: str, patience_s: float, within: str
) -> None:
    with connected(own_database, patience_s) as connection:
        given = connection.run(lambda on: on.info.get_parameters())
        assert given["connect_timeout"] == within


def test_work_is_done_anew_when_the_connection_is_lost_in_the_middle(own_database: str) -> None:
    """On a connection that has what the first one had."""
    prepared: list[int] = []
    done: list[int] = []

    def work(on: RowConnection) -> Any:
        with on.transaction():
            done.append(on.info.backend_pid)
            on.execute("INSERT INTO written VALUES (%s)", (len(done),))
            if len(done) == 1:
                with psycopg.connect(own_database, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", (done[0],))
            return on.execute("SELECT number FROM written").fetchall()

    with psycopg.connect(own_database) as other:
        other.execute('CREATE SCHEMA "My Schema" CREATE TABLE written (number int)')
    with connected(
        own_database, 60, prepare=lambda on: prepared.append(on.info.backend_pid)
    ) as connection:
        assert connection.run(work) == [(2,)]
        assert len({*done}) == 2
        assert prepared == done
        assert connection.run(work) == [(2,), (3,)]
        assert prepared == done[:2], "it is kept"


@pytest.mark.parametrize(("patience_s", "again"), [(0, False), (0.5, True)])
def test_a_database_that_is_away_is_tried_again_for_so_long(
    patience_s: float, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = ports.free_ports(1)
    url = f"postgresql://u:secret-word@127.0.0.1:{port}/d"
    with connected(url, patience_s) as connection:
        with pytest.raises(StoreStoppedError, match=f"127.0.0.1:{port}/d: connection failed"):
            connection.run(status)
        assert any("trying again" in message for message in caplog.messages) == again
        caplog.clear()
        with pytest.raises(StoreStoppedError, match="connection failed"):
            connection.first()
        assert not caplog.messages
    assert "secret-word" not in caplog.text


def test_a_server_that_hangs_is_not_waited_for_without_end(
    native_postgres: type[NativePostgres],
) -> None:
    """Its own limit on statements is of no use then; the kernel still takes what is sent to it."""
    with native_postgres() as server:
        connection = PostgresConnection(Database(server.url), "public", 0, 0.5)
        try:
            pid = connection.run(lambda on: on.info.backend_pid)
            os.kill(pid, signal.SIGSTOP)
            going_on = threading.Timer(wait.GENEROUS, os.kill, (pid, signal.SIGCONT))
            going_on.start()
            with pytest.raises(StoreStoppedError, match=r"no answer within 2\.5 s"):
                connection.run(ask_in_a_transaction)
            assert going_on.is_alive()
            going_on.cancel()
            os.kill(pid, signal.SIGCONT)
            assert connection.run(ask_in_a_transaction) == (1,)
        finally:
            connection.close()


def ask_in_a_transaction(on: RowConnection) -> Any:
    with on.transaction():
        return on.execute("SELECT 1").fetchone()


def test_what_is_refused_is_not_tried_again_and_tells_no_values(own_database: str) -> None:
    done: list[int] = []

    def work(on: RowConnection) -> None:
        done.append(on.info.backend_pid)
        on.execute("CREATE TEMP TABLE once (name text PRIMARY KEY)")
        on.execute("INSERT INTO once VALUES ('a-value'), ('a-value')")

    with connected(own_database, 60) as connection:
        with pytest.raises(StoreStoppedError, match="duplicate key") as refused:
            connection.run(work)
        assert "a-value" not in str(refused.value)
        assert len(done) == 1
        assert connection.run(lambda on: on.info.backend_pid) != done[0], "nothing is left of it"


def test_a_closed_one_is_made_again_when_it_is_needed(own_database: str) -> None:
    with connected(own_database) as connection:
        held = connection.run(lambda on: on)
        connection.close()
        assert held.closed
        assert connection.run(status) == "IDLE"


def test_no_transaction_stays_open_behind_an_error_of_ours(own_database: str) -> None:
    def work(on: RowConnection) -> None:
        on.execute("BEGIN")
        raise KeyError

    with connected(own_database) as connection:
        assert connection.run(status) == "IDLE"
        with pytest.raises(KeyError):
            connection.run(work)
        assert connection.run(status) == "IDLE"


def test_what_is_no_url_of_a_database_is_a_wrong_setting() -> None:
    with connected("postgresql://u:secret-word@h/d?nonsense=1") as connection:
        for ask in (connection.first, lambda: connection.run(status)):
            with pytest.raises(
                SettingsError, match="MEMORY_STORE=postgresql://h/d is no URL"
            ) as no:
                ask()
            assert "secret-word" not in str(no.value)
            assert no.value.__cause__ is None
            assert no.value.__suppress_context__


def test_a_wrong_password_is_refused_and_not_shown(
    native_postgres: type[NativePostgres], caplog: pytest.LogCaptureFixture
) -> None:
    with native_postgres() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'right-word'")
            rules = server.folder / "data" / "pg_hba.conf"
            rules.write_text(f"host all reader 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        asked = "SELECT current_user"
        url = server.url.replace("postgres@", "reader:right-word@")
        wait.until(lambda: _refused(url.replace("right", "other")), "rules to be read")
        assert said(url, asked) == "reader"
        with connected(url.replace("right-word", "wrong-word"), 0.5) as connection_:
            for ask in (connection_.first, lambda: connection_.run(status)):
                with pytest.raises(StoreStoppedError, match="password authentication failed") as no:
                    ask()
                assert "wrong-word" not in str(no.value)
        assert "wrong-word" not in caplog.text


def _refused(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return False
    return True


def certified(server: NativePostgres) -> Path:
    """Have a server speak TLS; the certificate, which is of 127.0.0.1 and signed by itself."""
    certificate, key = server.folder / "server.crt", server.folder / "server.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
            "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    if not os.geteuid():
        shutil.chown(key, OTHER)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for setting, value in (
            ("ssl_cert_file", certificate),
            ("ssl_key_file", key),
            ("ssl", "on"),
        ):
            connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
        connection.execute("SELECT pg_reload_conf()")

    def encrypted() -> bool:
        try:
            psycopg.connect(f"{server.url}?sslmode=require").close()
        except psycopg.OperationalError:
            return False
        return True

    wait.until(encrypted, "a server with TLS")
    return certificate


def test_tls_is_as_the_url_says(native_postgres: type[NativePostgres], tmp_path: Path) -> None:
    asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with native_postgres() as server:
        with pytest.raises(StoreStoppedError, match="SSL"):
            said(f"{server.url}?sslmode=require", asked)
        certificate = tmp_path / "root.crt"
        shutil.copy(certified(server), certificate)
        checked = f"{server.url}?sslmode=verify-full&sslrootcert="
        assert said(f"{checked}{certificate}", asked) is True
        with native_postgres() as other, pytest.raises(StoreStoppedError, match="certificate"):
            said(f"{checked}{certified(other)}", asked)


def test_who_waits_for_a_lock_gives_up(own_database: str) -> None:
    """The server ends the statement before it would end the wait for the lock."""
    filled(own_database, Bounds()).close()
    view = open_view(Database(own_database), source(Bounds(), KINDS), Bounds(), patience_s=1)
    with psycopg.connect(own_database) as holding:
        holding.execute(f"LOCK TABLE {TOPIC_SCHEMA}.positions".encode())
        with pytest.raises(StoreStoppedError, match="statement timeout"):
            view.positions()
    assert view.positions() == {}
    view.close()
