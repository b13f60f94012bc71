"""Rights in PostgreSQL, exactly as listed in docs/security.md, on a real one."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from consumer.errors import StoreStoppedError
from consumer.memory.postgres.schema import TABLES
from consumer.memory.postgres.store import PostgresStore, PostgresView, open_store, open_view
from consumer.memory.view import Asked
from consumer.settings.database import Database
from model.history.plan import Bounds
from tests.broker import topics
from tests.consumer.memory.logs import KINDS
from tests.consumer.memory.postgres.stores import TOPIC_SCHEMA, source
from tests.deploy.tools import ROOT

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FILLER: Final = "memory_filler"
READER: Final = "memory_reader"
PASSWORD: Final = "open-sesame-7291"
_GRANT = re.compile(r"^GRANT ([A-Z, ]+) ON (.+) TO (\w+)$")


def documented() -> Sequence[str]:
    """The statements of the documentation, each with one right."""
    found = re.search(r"### Rights in PostgreSQL\n.*?```sql\n(.*?)```", DOCUMENT, re.S)
    assert found is not None
    text = re.sub(r"--.*", "", found[1])
    return [one for whole in text.split(";") if whole.strip() for one in _single(whole.strip())]


def _single(statement: str) -> Iterator[str]:
    grant = _GRANT.match(statement)
    if grant is None:
        yield statement
        return
    for right in grant[1].split(", "):
        yield f"GRANT {right} ON {grant[2]} TO {grant[3]}"


DOCUMENT: Final = (ROOT / "docs/security.md").read_text()
STATEMENTS: Final = documented()
BY_FILLER: Final = STATEMENTS.index(f"CREATE SCHEMA {TOPIC_SCHEMA}")
"""From here on, the filler runs them."""


class Granted(NamedTuple):
    """A database to which nobody has rights but those that are documented."""

    url: str
    """Of the superuser."""
    stem: str
    """Begins the names of roles, which all databases of a server share."""

    def of(self, role: str) -> str:
        """The URL of the database for a role."""
        parts = urlsplit(self.url)
        where = parts.netloc.rpartition("@")[2]
        user = f"{self.stem}{role}:{PASSWORD}"
        return parts._replace(netloc=f"{user}@{where}").geturl()

    def execute(self, statements: Sequence[str], role: str | None = None) -> None:
        """Run statements of the documentation, as the superuser or as a role."""
        url = self.url if role is None else self.of(role)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                named = re.sub(rf"\b({FILLER}|{READER})\b", rf"{self.stem}\1", statement)
                named = named.replace("DATABASE claims", f"DATABASE {connection.info.dbname}")
                if named.startswith("CREATE ROLE"):
                    named += f" PASSWORD '{PASSWORD}'"
                connection.execute(named.encode())

    def prepare(self, *, without: str = "", schema: bool = True) -> None:
        """Grant what is documented.

        Args:
            without: this statement.
            schema: whether there is one already, or the filler makes it at its first start.
        """
        left = [one for one in STATEMENTS[:BY_FILLER] if one != without]
        self.execute(["REVOKE ALL ON DATABASE claims FROM PUBLIC", *left])
        own = STATEMENTS[BY_FILLER:]
        if not schema:
            self.fill().close()
            own = own[1:]
        self.execute([one for one in own if one != without], FILLER)

    def fill(self, schema: str | None = None) -> PostgresStore:
        """What fills it."""
        of = source(Bounds(), KINDS)
        return open_store(Database(self.of(FILLER)), of, Bounds(), schema=schema)

    def read(self) -> PostgresView:
        """What reads it."""
        of = source(Bounds(), KINDS)
        return open_view(Database(self.of(READER)), of, Bounds(), patience_s=0)


@pytest.fixture
def granted(own_database: str) -> Iterator[Granted]:
    made = Granted(own_database, topics.fresh_name("r").replace("-", "_") + "_")
    yield made
    with psycopg.connect(own_database, autocommit=True) as connection:
        for role in (FILLER, READER):
            name = f"{made.stem}{role}"
            connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
            connection.execute(f"DROP ROLE {name}".encode())


def use(view: PostgresView) -> None:
    """Ask what a worker asks."""
    view.positions()
    asked = Asked(bytes(16), [(number, b"h" * 16) for number in range(len(KINDS))], 0)
    view.histories([asked], {})
    view.links([asked], 5)


@pytest.mark.parametrize("schema", [True, False], ids=["made before", "made by the filler"])
def test_the_documented_grants_are_enough(granted: Granted, schema: bool) -> None:
    granted.prepare(schema=schema)
    with closing(granted.fill()) as filling, closing(granted.read()) as reading:
        filling.apply([], {0: 7})
        use(reading)
        assert reading.positions() == {0: 7}
        filling.empty()
    with closing(granted.fill(f"{TOPIC_SCHEMA}_verify")) as aside:
        aside.drop()


MISSING: Final = [
    (f"GRANT CONNECT ON DATABASE claims TO {FILLER}", "filler", "permission denied for database"),
    (f"GRANT CREATE ON DATABASE claims TO {FILLER}", "verify", "permission denied for database"),
    (f"GRANT TEMPORARY ON DATABASE claims TO {FILLER}", "filler",
     "permission denied to create temporary tables"),
    (f"GRANT CONNECT ON DATABASE claims TO {READER}", "reader", "permission denied for database"),
    (f"GRANT USAGE ON SCHEMA {TOPIC_SCHEMA} TO {READER}", "reader", "permission denied for schema"),
    (f"ALTER DEFAULT PRIVILEGES IN SCHEMA {TOPIC_SCHEMA} GRANT SELECT ON TABLES TO {READER}",
     "reader", "permission denied for table"),
    (f"GRANT SELECT ON ALL TABLES IN SCHEMA {TOPIC_SCHEMA} TO {READER}", "late reader",
     "permission denied for table"),
]  # fmt: skip
"""A statement, who fails without it, and of what it is told."""


def test_every_documented_grant_is_taken_away() -> None:
    assert [one for one, _, _ in MISSING] == [one for one in STATEMENTS if "GRANT" in one]


@pytest.mark.parametrize(("statement", "who", "told"), MISSING, ids=lambda one: one)
def test_a_missing_grant_ends_it_and_is_named(
    granted: Granted, statement: str, who: str, told: str
) -> None:
    if who == "filler":
        # Without it, nothing of the rest can be granted either.
        granted.execute(["REVOKE ALL ON DATABASE claims FROM PUBLIC"])
        granted.execute([one for one in STATEMENTS[:BY_FILLER] if one != statement])
        with pytest.raises(StoreStoppedError, match=told):
            granted.fill()
        return
    if who == "verify":
        granted.execute(["REVOKE ALL ON DATABASE claims FROM PUBLIC"])
        granted.execute([one for one in STATEMENTS[:BY_FILLER] if one != statement])
        with pytest.raises(StoreStoppedError, match=told):
            granted.fill()  # nobody has made the schema
        granted.execute([f"CREATE SCHEMA {TOPIC_SCHEMA} AUTHORIZATION {FILLER}"])
        granted.fill().close()
        with pytest.raises(StoreStoppedError, match=told):
            granted.fill(f"{TOPIC_SCHEMA}_verify")
        return
    granted.prepare(without=statement, schema=who == "reader")
    granted.fill().close()
    with pytest.raises(StoreStoppedError, match=told), closing(granted.read()) as reading:
        use(reading)


@pytest.mark.parametrize("table", ["store", "positions", *TABLES])
def test_a_reader_needs_every_table_and_cannot_change_it(granted: Granted, table: str) -> None:
    granted.prepare()
    granted.fill().close()
    with psycopg.connect(granted.of(READER), autocommit=True) as reading:
        for change in ("DELETE FROM", "TRUNCATE", "DROP TABLE"):
            with pytest.raises(errors.InsufficientPrivilege):
                reading.execute(f"{change} {TOPIC_SCHEMA}.{table}".encode())
    granted.execute([f"REVOKE SELECT ON {TOPIC_SCHEMA}.{table} FROM {READER}"], FILLER)
    denied = f"permission denied for table {table}"
    with pytest.raises(StoreStoppedError, match=denied), closing(granted.read()) as reading_on:
        use(reading_on)


def test_no_message_has_the_password(granted: Granted) -> None:
    granted.prepare(without=f"GRANT USAGE ON SCHEMA {TOPIC_SCHEMA} TO {READER}")
    with pytest.raises(StoreStoppedError) as caught:
        granted.read()
    assert PASSWORD not in str(caught.value)
