"""The tables, what they were filled from, and who may use them for what."""

import re
import uuid
from typing import Final

from msgspec import Struct
from psycopg import sql

from consumer.errors import SettingsError, StoreStoppedError
from consumer.memory.postgres.connection import RowConnection
from model.history.plan import Bounds, EntityKind

FORMAT: Final = 1
TABLES: Final = ("claims", "claim_records", "findings", "facts", "outcomes", "days")
"""Tables that are filled from the log."""
_LOCK: Final = 7_312_004_001_927
"""Advisory lock on the database while tables are created."""

DDL: Final = """
CREATE TABLE IF NOT EXISTS store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format int NOT NULL,
    generation uuid NOT NULL,
    cluster text NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    key_fingerprint text NOT NULL,
    span_days int NOT NULL,
    names int NOT NULL,
    findings int NOT NULL,
    emptied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE store IS 'What the other tables are filled from; one row.';
CREATE TABLE IF NOT EXISTS kinds (
    kind text COLLATE "C" PRIMARY KEY,
    likeness text NOT NULL,
    number int NOT NULL
);
COMMENT ON TABLE kinds IS 'Kinds of people and things: like a person, or like a business.';
CREATE TABLE IF NOT EXISTS positions (
    partition int PRIMARY KEY,
    next_offset bigint NOT NULL,
    complete_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE positions IS 'Up to where each partition of the topic is in the tables, and as of
when that is everything that the partition had.';
CREATE TABLE IF NOT EXISTS claims (
    claim bytea PRIMARY KEY,
    claim_id text NOT NULL
);
COMMENT ON TABLE claims IS 'Claims of which anything is known, by a digest of their ids.';
CREATE TABLE IF NOT EXISTS claim_records (
    claim bytea NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    known_on date NOT NULL,
    policy bytea,
    lost_on date,
    amount float8,
    kinds text[] NOT NULL,
    hashes bytea[] NOT NULL,
    PRIMARY KEY (claim, topic, partition, "offset")
);
COMMENT ON TABLE claim_records IS 'That a claim came in: one row for each time that it was sent.';
CREATE TABLE IF NOT EXISTS findings (
    claim bytea NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    found_on date NOT NULL,
    fraud boolean NOT NULL,
    PRIMARY KEY (claim, topic, partition, "offset")
);
COMMENT ON TABLE findings IS 'What was found about a claim, and when: one row for each record.';
CREATE INDEX IF NOT EXISTS findings_found_on ON findings (claim, fraud, found_on);
CREATE TABLE IF NOT EXISTS facts (
    kind text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    known_on date NOT NULL,
    claim bytea NOT NULL,
    policy bytea,
    lost_on date,
    amount float8,
    PRIMARY KEY (claim, kind, hash)
);
COMMENT ON TABLE facts IS 'Who is named by which claim, from when on: the first of its records. Of a
claim, those that were named first.';
CREATE INDEX IF NOT EXISTS facts_known_on ON facts (kind, hash, known_on, claim)
    INCLUDE (policy);
CREATE TABLE IF NOT EXISTS outcomes (
    claim bytea NOT NULL,
    found_on date NOT NULL,
    fraud boolean NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS outcomes_found_on ON outcomes (claim, found_on, fraud DESC);
COMMENT ON TABLE outcomes IS 'When something else was found about a claim than before, the first
times.';
CREATE TABLE IF NOT EXISTS days (
    kind text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    day date NOT NULL,
    claims int NOT NULL,
    decided int NOT NULL,
    frauds int NOT NULL,
    PRIMARY KEY (kind, hash, day)
);
COMMENT ON TABLE days IS 'Of businesses: claims by day; and by how many more, or fewer, the decided
ones and the frauds of them are on the days after it.';
"""


class FilledFrom(Struct, frozen=True, kw_only=True):
    """What a database is filled from: with anything else, it is a different database."""

    cluster: str
    """Id of the Kafka cluster."""
    topic: str
    topic_id: str
    fingerprint: str
    """Of the key of the hashes."""
    bounds: Bounds
    """What follows from records depends on `days`, `names` and `findings`."""
    kinds: tuple[EntityKind, ...]
    """In the order of the plan."""


class FoundSource(Struct, frozen=True, kw_only=True):
    """What the database says about itself."""

    format: int
    generation: uuid.UUID
    """A new one each time it is emptied."""
    source: FilledFrom


def schema_of(topic: str) -> str:
    """The schema for a topic; topics that differ only in punctuation share one."""
    return re.sub("[^a-z0-9]", "_", topic.lower())[:60]


def create(connection: RowConnection, schema: str) -> None:
    """Create missing tables; call it in a transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    there = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    if there.fetchone() is None:  # the right to create it is needed only then
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(DDL.encode())


def found(connection: RowConnection, schema: str) -> FoundSource | None:
    """What the database says about itself; None if it has not been filled yet."""
    there = connection.execute("SELECT to_regclass(%s)", (f'"{schema}".store',)).fetchone()
    assert there is not None
    if there[0] is None:
        return None
    row = connection.execute(
        "SELECT format, generation, cluster, topic, topic_id, key_fingerprint, span_days, names, "
        "findings FROM store"
    ).fetchone()
    if row is None:
        return None
    kinds = connection.execute("SELECT kind, likeness FROM kinds ORDER BY number").fetchall()
    return FoundSource(
        format=row[0],
        generation=row[1],
        source=FilledFrom(
            cluster=row[2],
            topic=row[3],
            topic_id=row[4],
            fingerprint=row[5],
            bounds=Bounds(days=row[6], names=row[7], findings=row[8]),
            kinds=tuple(EntityKind(kind=kind, like=like) for kind, like in kinds),
        ),
    )


def refuse_another(said: FoundSource, asked: FilledFrom, where: object) -> None:
    """Check that a database is filled as it must be, except for the id of the topic.

    Raises:
        SettingsError: it was filled with another key, from another topic, or for a model with
            other kinds of entities.
    """
    source = said.source
    if source.fingerprint != asked.fingerprint:
        raise SettingsError(
            f"MEMORY_STORE={where} was filled with the key {source.fingerprint}, but the one in "
            f"MEMORY_KEY_FILE is {asked.fingerprint}: give the former key, or another database and "
            "another topic"
        )
    one, other = source.bounds, asked.bounds
    same = {
        "cluster": source.cluster == asked.cluster,
        "topic": source.topic == asked.topic,
        "span of days": one.days == other.days,
        "number of names": one.names == other.names,
        "number of findings": one.findings == other.findings,
        "format": said.format == FORMAT,
        # Their order decides which of the entities that a claim names on one day count.
        "list of kinds": source.kinds == asked.kinds,
    }
    others = [name for name, is_same in same.items() if not is_same]
    if others:
        raise SettingsError(
            f"MEMORY_STORE={where} was filled with another {', '.join(others)}. Others may read "
            "it, so it is not emptied by itself: python -m consumer memory rebuild, with the model "
            "in MODEL_DIR that all of them have"
        )


def refuse_made_again(said: FoundSource, asked: FilledFrom, where: object) -> None:
    """Check that a database is filled from the topic as it is now.

    Raises:
        StoreStoppedError: the topic was deleted and recreated.
    """
    if said.source.topic_id != asked.topic_id:
        raise StoreStoppedError(
            f"MEMORY_STORE={where} was filled from {asked.topic} before that was made again; "
            "python -m consumer memory apply empties it and fills it"
        )


def empty(connection: RowConnection, source: FilledFrom) -> FoundSource:
    """Forget everything, and set what it is filled from now on; call it in a transaction."""
    generation = uuid.uuid4()
    # Appliers lock this table's row, so they wait: nothing read before this is written after it.
    connection.execute("LOCK TABLE store IN ACCESS EXCLUSIVE MODE")
    connection.execute(f"TRUNCATE store, kinds, positions, {', '.join(TABLES)}".encode())
    connection.execute(
        "INSERT INTO store (format, generation, cluster, topic, topic_id, key_fingerprint, "
        "span_days, names, findings) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            FORMAT, generation, source.cluster, source.topic, source.topic_id, source.fingerprint,
            source.bounds.days, source.bounds.names, source.bounds.findings,
        ),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO kinds (kind, likeness, number) VALUES (%s, %s, %s)",
            [(kind.kind, kind.like, number) for number, kind in enumerate(source.kinds)],
        )
    return FoundSource(format=FORMAT, generation=generation, source=source)
