"""Fixtures for all tests: a real Kafka for the session, separate names for each test."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.broker import topics
from tests.broker.jars import NoKafkaError, jars
from tests.broker.native import NativeKafka
from tests.broker.provide import provide
from tests.harness.examples import QUICK
from tests.harness.once import once

if TYPE_CHECKING:
    from tests.database.native import NativePostgres

# jsonschema would build its grammar in every process, which takes seconds, for the formats iri and
# iri-reference: no schema here uses them.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


class NewTopic(Protocol):
    """Creates a topic of a fresh name."""

    def __call__(
        self, stem: str = "topic", partitions: int = 1, config: dict[str, str] | None = None
    ) -> str: ...


# No test asserts how long something takes: not by a deadline of its examples either.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(QUICK, settings.get_profile("untimed"))
settings.load_profile("untimed")


def pytest_configure() -> None:
    """End on SIGTERM as on Ctrl-C: fixtures take their brokers and workers with them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def without(what: str, why: Exception) -> NoReturn:
    """Skip, with one line; in CI a server that is missing is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"no {what}: {why}", pytrace=False)
    pytest.skip(f"no {what}: {why}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a real Apache Kafka."""
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(provide())
        except NoKafkaError as why:
            without("Kafka", why)
        yield address


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a database of a real PostgreSQL, of its superuser."""
    from tests.database.native import NoPostgresError  # tests without it need no client of it
    from tests.database.provide import provide as provide_postgres

    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(provide_postgres())
        except NoPostgresError as why:
            without("PostgreSQL", why)
        yield url


@pytest.fixture
def own_database(postgres: str) -> Iterator[str]:
    """URL of a database that nothing else uses."""
    from tests.database.provide import database

    with database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def native_postgres() -> "type[NativePostgres]":
    """A server to break: the class, once its programs are known to be here."""
    from tests.database.native import NativePostgres, NoPostgresError, programs

    try:
        programs()
    except NoPostgresError as why:
        without("PostgreSQL", why)
    return NativePostgres


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, trained once and only read."""
    from tests.harness.small_model import train_small  # tests without a model start faster

    return once(tmp_path_factory, "model", train_small)


@pytest.fixture
def new_topic(kafka: str) -> NewTopic:
    """A maker of topics; their names are fresh, so that no test sees another's records."""

    def create(
        stem: str = "topic", partitions: int = 1, config: dict[str, str] | None = None
    ) -> str:
        return topics.create(kafka, topics.fresh_name(stem), partitions, config)

    return create


@pytest.fixture(scope="session")
def native() -> type[NativeKafka]:
    """A broker to break: the class, once Java and the jars are known to be here."""
    try:
        jars()
    except NoKafkaError as why:
        without("Kafka", why)
    return NativeKafka
