"""A connection to the database that reconnects when it is lost, for a limited time."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from consumer.errors import SettingsError, StoreStoppedError
from consumer.settings.database import Database

log = logging.getLogger(__name__)

WorkAnswer = TypeVar("WorkAnswer")
RowConnection = psycopg.Connection[tuple[Any, ...]]
_Result = TypeVar("_Result")

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 2.0
LOST: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""When a connection counts as lost, unless the URL says otherwise."""
LOCK_MS: Final = 20_000
ANSWER_S: Final = 2.0
"""For the answer that a statement has timed out: a server that hangs gives none."""
IDLE_MS: Final = 30_000
"""The server ends a transaction whose client is silent for this long: a process that was stopped
in the middle of one holds up nobody for longer."""


class _Waiting(psycopg.Connection[tuple[Any, ...]]):
    """Closes itself if the server does not answer: a server that hangs enforces no timeout."""

    longest_s = float("inf")

    def wait(
        self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None
    ) -> _Result:
        try:
            return super().wait(gen, interval, self.longest_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.info.transaction_status is TransactionStatus.ACTIVE:
                # Not closed gracefully, which would mean waiting again.
                self.pgconn.finish()
                raise psycopg.OperationalError(f"no answer within {self.longest_s:g} s") from error
            raise


class PostgresConnection:
    """One connection, used from one thread.

    Args:
        database: where it is.
        schema: whose tables are used.
        patience_s: seconds for which to retry a lost connection.
        statement_s: seconds after which the server ends a statement, and this side soon after.
        prepare: sets up a new connection.
    """

    def __init__(
        self,
        database: Database,
        schema: str,
        patience_s: float,
        statement_s: float,
        prepare: Callable[[RowConnection], object] = lambda _: None,
    ) -> None:
        self.database = database
        self.schema = schema
        self._patience_s = patience_s
        self._statement_s = statement_s
        self._prepare = prepare
        self._connection: RowConnection | None = None

    def run(self, work: Callable[[RowConnection], WorkAnswer]) -> WorkAnswer:
        """Do some work on the connection and return its result; if the database goes away, it is
        done again from its beginning, so it must be a transaction.

        Raises:
            StoreStoppedError: the database does not answer, or refuses.
            SettingsError: MEMORY_STORE is not the URL of a database.
        """
        until = time.monotonic() + self._patience_s
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return work(self._connected())
            except psycopg.OperationalError as error:
                self.close()
                if time.monotonic() + wait_s > until:
                    raise self._stopped(error) from None
                log.warning("MEMORY_STORE=%s: %s; trying again", self.database, _said(error))
                time.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
            except psycopg.Error as error:
                self.close()
                raise self._stopped(error) from None
            except BaseException:
                if self._connection is not None and not self._connection.closed:
                    self._connection.rollback()
                raise

    def first(self) -> None:
        """Connect now, without retrying.

        Raises:
            StoreStoppedError, SettingsError: see `run`.
        """
        try:
            self._connected()
        except psycopg.Error as error:
            self.close()
            raise self._stopped(error) from None

    def close(self) -> None:
        """Close it; it reconnects when it is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> RowConnection:
        if self._connection is None or self._connection.closed:
            self._connection = self._made()
            with self._connection.transaction():
                self._prepare(self._connection)
        return self._connection

    def _made(self) -> RowConnection:
        try:
            given = psycopg.conninfo.conninfo_to_dict(self.database.url)
        except psycopg.ProgrammingError:  # its message may show the password
            raise SettingsError(
                f"MEMORY_STORE={self.database} is no URL of a PostgreSQL database: "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"
            ) from None
        preset: dict[str, Any] = {**LOST, "application_name": "fraud-scorer"}
        if self._patience_s:
            within_s = min(float(LOST["connect_timeout"]), max(2.0, self._patience_s))
            preset["connect_timeout"] = str(round(within_s))
        connection = _Waiting.connect(**(preset | given), autocommit=True)
        connection.longest_s = self._statement_s + ANSWER_S
        with connection.transaction():
            for name, value in (
                ("search_path", sql.Identifier(self.schema).as_string(connection)),
                ("jit", "off"),
                ("client_encoding", "UTF8"),
                ("statement_timeout", str(round(1_000 * self._statement_s))),
                ("lock_timeout", str(LOCK_MS)),
                ("idle_in_transaction_session_timeout", str(IDLE_MS)),
            ):
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return connection

    def _stopped(self, error: psycopg.Error) -> StoreStoppedError:
        return StoreStoppedError(f"MEMORY_STORE={self.database}: {_said(error)}")


def _said(error: psycopg.Error) -> str:
    """The message without details, which may contain stored data."""
    return " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
