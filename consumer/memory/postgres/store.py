"""A view of the log in a PostgreSQL database, for those who read it and those who fill it."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from psycopg import sql

from consumer.errors import SettingsError, StoreStoppedError
from consumer.memory.postgres.connection import PostgresConnection, RowConnection, WorkAnswer
from consumer.memory.postgres.literals import numbers
from consumer.memory.postgres.reading import (
    EmptiedError,
    HowRead,
    StoreAnswers,
    asking,
    read_links,
    read_positions,
)
from consumer.memory.postgres.schema import (
    FilledFrom,
    FoundSource,
    create,
    empty,
    found,
    refuse_another,
    refuse_made_again,
    schema_of,
)
from consumer.memory.postgres.writing import stage, write
from consumer.memory.view import Asked, Link, LogFact, Pending
from consumer.settings.database import Database
from model.history.features import ClaimHistory, claim_history
from model.history.plan import Bounds
from schemas.memory import RememberedClaim

log = logging.getLogger(__name__)

PATIENCE_S: Final = 30.0
"""For a database that went away."""
APPLYING_S: Final = 300.0
"""For a statement that takes records in, or empties a table that others read."""


class OvertakenError(Exception):
    """Another process has written the positions since: this one has written nothing."""


class PostgresView:
    """A read-only `View`; see `open_view`, which makes it."""

    def __init__(self, connection: PostgresConnection, said: FoundSource, bounds: Bounds) -> None:
        self._connection = connection
        self._said = said
        self._bounds = bounds
        self._reader = HowRead((), bounds)

    def reads(self, source: FilledFrom) -> None:
        """Identify entities by the numbers that kinds have in a plan."""
        self._reader = HowRead(source.kinds, self._bounds)

    @property
    def where(self) -> Database:
        """Where the database is."""
        return self._connection.database

    def positions(self) -> dict[int, int]:
        """See `View`.

        Raises:
            StoreStoppedError: the database does not answer, or was emptied.
        """
        return self._read(lambda on: read_positions(on, self._said.generation))

    def histories(self, asked: Sequence[Asked], pending: Pending) -> list[ClaimHistory]:
        """See `View`.

        Raises:
            StoreStoppedError: the database does not answer, or was emptied.
        """
        answers = StoreAnswers(self._reader, asked, pending)

        def ask(on: RowConnection) -> None:
            with asking(on) as asking_it:
                answers.ask(asking_it)
            answers.take(self._said.generation)

        if asked:
            self._read(ask)
        kinds, known = self._reader.kinds, answers.known
        return [
            claim_history(kinds, [(key[0], known(key, claim, as_of)) for key in keys])
            for claim, keys, as_of in asked
        ]

    def links(self, asked: Sequence[Asked], most: int) -> list[list[Link]]:
        """See `View`.

        Raises:
            StoreStoppedError: the database does not answer, or was emptied.
        """
        generation = self._said.generation
        return self._read(lambda on: read_links(on, self._reader, asked, most, generation))

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        """Fails: others fill the database."""
        raise NotImplementedError

    def empty(self) -> None:
        """Fails: others fill the database."""
        raise NotImplementedError

    def complete(self, at_s: float) -> None:
        """Fails: others fill the database."""
        raise NotImplementedError

    def close(self) -> None:
        """See `View`."""
        self._connection.close()

    def _read(self, ask: Callable[[RowConnection], WorkAnswer]) -> WorkAnswer:
        try:
            return self._connection.run(ask)
        except EmptiedError:
            raise StoreStoppedError(
                f"MEMORY_STORE={self.where} was emptied, and is filled again from "
                f"{self._said.source.topic}: start again, and it is waited for"
            ) from None


class PostgresStore(PostgresView):
    """A `View` that takes in records; see `open_store`, which makes it.

    Several processes may fill one database. Each writes only where it continues from the positions
    it has seen, so one that was overtaken writes nothing, however late it wakes up.
    """

    def __init__(
        self, connection: PostgresConnection, said: FoundSource, bounds: Bounds, source: FilledFrom
    ) -> None:
        super().__init__(connection, said, bounds)
        self._source = source
        self._expected: dict[int, int] = {}
        self.reads(source)

    def reload(self, partitions: Iterable[int]) -> dict[int, int]:
        """The current positions of some partitions, 0 where there is none; the next `apply`
        continues from there. Waits for whoever is about to write them.

        Raises:
            StoreStoppedError: the database does not answer, or is filled from another topic.
            SettingsError: it is filled for something else.
        """
        wanted = sorted(partitions)

        def load(on: RowConnection) -> dict[int, int]:
            with on.transaction():
                self._said = self._checked(on)
                return _locked(on, wanted)

        found = self._connection.run(load)
        self._expected.update(found)
        return found

    def leave(self, partitions: Iterable[int]) -> None:
        """Leave partitions to others."""
        for partition in partitions:
            self._expected.pop(partition, None)

    def positions(self) -> dict[int, int]:
        """See `View`; the next `apply` continues from there."""
        self._expected = super().positions()
        return dict(self._expected)

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        """See `View`.

        Raises:
            OvertakenError: the positions are not those this process has seen.
            SettingsError: a claim was remembered with another key.
            StoreStoppedError: the database does not answer.
            ValueError: a record is not of the kind that its key says.
        """
        own = self._said.source.fingerprint
        for told in facts:
            if isinstance(told.fact, RememberedClaim) and told.fact.key != own:
                raise SettingsError(
                    f"{told.key.topic}[{told.key.partition}]@{told.key.offset} was remembered with "
                    f"the key {told.fact.key}, but the one in MEMORY_KEY_FILE is {own}"
                )
        self._expected.update(self._connection.run(lambda on: self._applied(on, facts, positions)))

    def _applied(
        self, on: RowConnection, facts: Sequence[LogFact], positions: Mapping[int, int]
    ) -> dict[int, int]:
        with on.transaction():
            state = on.execute("SELECT generation FROM store FOR SHARE").fetchall()
            if state != [(self._said.generation,)]:
                raise OvertakenError
            now = _locked(on, sorted(positions))
            if now != {partition: self._expected.get(partition, 0) for partition in now}:
                # A commit whose answer was lost has written them.
                if now == dict(positions):
                    return now
                raise OvertakenError
            write(on, facts)
            after = dict(positions.items())
            on.execute(
                "UPDATE positions p SET next_offset = n.next_offset FROM "
                "unnest(%s::int[], %s::bigint[]) n (partition, next_offset) "
                "WHERE p.partition = n.partition",
                (numbers(after), numbers(after.values())),
            )
        return after

    def complete(self, at_s: float) -> None:
        """See `View`; for the partitions that this process fills.

        Raises:
            OvertakenError: the database was emptied since.
            StoreStoppedError: the database does not answer.
        """
        self._connection.run(lambda on: self._completed(on, at_s))

    def _completed(self, on: RowConnection, at_s: float) -> None:
        with on.transaction():
            state = on.execute("SELECT generation FROM store FOR SHARE").fetchall()
            if state != [(self._said.generation,)]:
                raise OvertakenError
            on.execute(
                "UPDATE positions SET complete_at = greatest(complete_at, to_timestamp(%s)) "
                "WHERE partition = ANY(%s::int[])",
                (at_s, numbers(self._expected)),
            )

    def incomplete_s(self) -> float:
        """Seconds since the moment up to which everything in the log is there."""

        def ask(on: RowConnection) -> float:
            row = on.execute(
                "SELECT extract(epoch FROM now() - min(complete_at))::float8 FROM positions "
                "WHERE next_offset > 0"
            ).fetchone()
            return 0.0 if row is None or row[0] is None else float(row[0])

        return self._connection.run(ask)

    def empty(self) -> None:
        """Forget everything: the log will be read from its beginning.

        Raises:
            StoreStoppedError: the database does not answer.
        """
        self._expected = {}

        def emptied(on: RowConnection) -> FoundSource:
            with on.transaction():
                return empty(on, self._source)

        self._said = self._connection.run(emptied)

    def drop(self) -> None:
        """Drop the whole schema.

        Raises:
            StoreStoppedError: the database does not answer.
        """
        name = sql.Identifier(self._connection.schema)
        self._connection.run(lambda on: on.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name)))

    def _checked(self, on: RowConnection) -> FoundSource:
        said = found(on, self._connection.schema)
        if said is None:
            raise StoreStoppedError(f"MEMORY_STORE={self.where} has lost its tables; start again")
        refuse_another(said, self._source, self.where)
        refuse_made_again(said, self._source, self.where)
        return said


def open_view(
    database: Database, source: FilledFrom, bounds: Bounds, patience_s: float = PATIENCE_S
) -> PostgresView:
    """The database for a process that only reads it.

    Args:
        database: where it is.
        source: what it must be filled from; the kinds in the order of the plan.
        bounds: how much is looked at.
        patience_s: seconds to wait for an answer, or for a lost database.

    Raises:
        StoreStoppedError: it does not answer, or nobody has begun to fill it from this topic.
        SettingsError: it is filled for something else.
    """
    schema = schema_of(source.topic)
    connection = PostgresConnection(database, schema, patience_s, patience_s)
    connection.first()
    said = connection.run(lambda on: found(on, schema))
    if said is None:
        raise StoreStoppedError(
            f"MEMORY_STORE={database} has no schema {schema} that is filled: start "
            "python -m consumer memory apply"
        )
    refuse_another(said, source, database)
    refuse_made_again(said, source, database)
    view = PostgresView(connection, said, bounds)
    view.reads(source)
    return view


def open_store(
    database: Database,
    source: FilledFrom,
    bounds: Bounds,
    *,
    schema: str | None = None,
    rebuild: bool = False,
) -> PostgresStore:
    """The database for a process that fills it; created if missing, emptied if it was filled from
    the same topic before that was recreated.

    Args:
        database: where it is.
        source: what it must be filled from; the kinds in the order of the plan.
        bounds: how much is looked at.
        schema: that of the topic, by default.
        rebuild: empty it, whatever it was filled from.

    Raises:
        StoreStoppedError: it does not answer.
        SettingsError: it is filled for something else.
    """
    schema = schema_of(source.topic) if schema is None else schema
    connection = PostgresConnection(database, schema, PATIENCE_S, APPLYING_S, stage)
    connection.first()

    def opened(on: RowConnection) -> FoundSource:
        with on.transaction():
            create(on, schema)
            said = None if rebuild else found(on, schema)
            if said is None:
                return empty(on, source)
            refuse_another(said, source, database)
            if said.source.topic_id == source.topic_id:
                return said
            log.warning(
                "MEMORY_STORE=%s was filled from %s before that was made again: emptied",
                database,
                source.topic,
            )
            return empty(on, source)

    return PostgresStore(connection, connection.run(opened), bounds, source)


def _locked(on: RowConnection, partitions: Sequence[int]) -> dict[int, int]:
    """Positions, 0 where there is none; others wait until the end of this transaction."""
    wanted = numbers(partitions)
    on.execute(
        "INSERT INTO positions (partition, next_offset) SELECT unnest(%s::int[]), 0 "
        "ON CONFLICT DO NOTHING",
        (wanted,),
    )
    return dict(
        on.execute(
            "SELECT partition, next_offset FROM positions WHERE partition = ANY(%s::int[]) "
            "ORDER BY partition FOR UPDATE",
            (wanted,),
        ).fetchall()
    )
