"""Connections: what the URL says goes to libpq, and no statement is waited for without end."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumer.errors import StoreStoppedError
from consumer.memory.postgres.connection import PostgresConnection
from consumer.memory.postgres.store import open_view
from consumer.settings.database import Database
from model.history.plan import Bounds
from tests.broker import wait
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
