"""A bounded run of the harness, and proof that it catches the flaws it is there for.

By hand: ``python -m tests.chaos --rounds 200 --seed 1``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import jars
from tests.broker.native import NativeKafka
from tests.chaos.faults import BY_NAME
from tests.chaos.memory import StoreKind
from tests.chaos.round import Arena, Case, Membership, Protocol
from tests.database.native import NativePostgres

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SMOKE: list[tuple[str, Protocol, Membership]] = [
    ("kill-before-commit", "classic", "static"),
    ("kill-after-produce", "consumer", "dynamic"),
    ("stop-before-offsets", "classic", "dynamic"),
    ("broker-kill", "classic", "static"),
    ("commit-answer-lost", "consumer", "dynamic"),
    ("zombie", "classic", "static"),
    ("broker-outage", "consumer", "dynamic"),
    ("broker-kill-at-commit", "classic", "dynamic"),
]
SOUND = jars.version()
LEAKY = "4.3.1"
"""A version that leaves transactions open after the only broker was away."""
FLAWS = [
    ("no-sweep", "broker-outage", "stuck after the fault", LEAKY),
    ("commit-first", "kill-after-produce", "has no outcome", SOUND),
    ("dropped-messages", "join-leave", "has no outcome", SOUND),
    ("fresh-metadata", "join-leave", "more than one outcome", SOUND),
    ("random-id", "stop-before-commit", "more than one outcome", SOUND),
]
MEMORY_SMOKE: list[tuple[str, Protocol, Membership]] = [
    ("abort-in-a-backlog", "classic", "dynamic"),
    ("store-wiped", "consumer", "dynamic"),
    ("store-of-another-worker", "classic", "static"),
    ("store-of-another-topic", "classic", "static"),
]
MEMORY_FLAWS = [
    ("memory-uncommitted", "kill-before-commit", "a store differs from the log"),
    ("memory-apart", "kill-before-commit", "something else is remembered, or twice"),
    ("memory-afterwards", "kill-after-commit", "a claim that was scored is not remembered"),
    ("pending-kept", "abort-in-a-backlog", "an alert knew what nobody can have known"),
    ("own-counted", "kill-before-commit", "an alert knew what nobody can have known"),
    ("same-day", "kill-before-commit", "an alert knew what nobody can have known"),
    ("wall-clock", "kill-before-commit", "a claim is remembered as of another time"),
    ("from-the-end", "store-wiped", "an alert did not know what had long been known"),
    ("any-store", "store-of-another-topic", "a store differs from the log"),
]
DATABASE_SMOKE: list[tuple[str, Protocol, Membership]] = [
    ("applier-kill-in-transaction", "classic", "static"),
    ("database-kill", "consumer", "dynamic"),
    ("database-dropped", "classic", "dynamic"),
    ("kill-everything", "classic", "static"),
]
DATABASE_FLAWS = [
    ("database-uncommitted", "applier-kill-after-commit", "a store differs from the log"),
    ("positions-first", "applier-kill-after-commit", "a store differs from the log"),
    ("any-database", "database-of-another-topic", "a store differs from the log"),
]
ATTEMPTS = 8
"""Rounds in which a flaw must show: some need a race to be lost."""


@pytest.fixture(scope="module")
def arena(native: type[NativeKafka], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    assert native is not None
    made = Arena(tmp_path_factory.mktemp("chaos"))
    yield made
    made.close()


# The longest comes first, as tests are shared among processes.
@pytest.mark.parametrize(("flaw", "fault", "promise", "kafka"), FLAWS)
def test_a_flaw_is_caught(arena: Arena, flaw: str, fault: str, promise: str, kafka: str) -> None:
    for attempt in range(ATTEMPTS):
        case = Case(BY_NAME[fault], "classic", "dynamic", f"flaw:{attempt}", flaw, kafka)
        if any(promise in broken for broken in arena.play(case).broken):
            return
    pytest.fail(f"{flaw} went unnoticed in {ATTEMPTS} rounds of {fault}")


@pytest.mark.parametrize(("fault", "protocol", "membership"), SMOKE)
def test_exactly_once_outlives(
    arena: Arena, fault: str, protocol: Protocol, membership: Membership
) -> None:
    result = arena.play(Case(BY_NAME[fault], protocol, membership, "smoke"))
    logs = [p.read_text()[-3000:] for p in sorted((result.logs or Path()).glob("w*.log"))]
    assert not result.broken, "\n".join([*result.broken, *logs])
    assert result.records > 0


@pytest.mark.parametrize(("fault", "protocol", "membership"), MEMORY_SMOKE)
def test_what_is_remembered_outlives(
    arena: Arena, fault: str, protocol: Protocol, membership: Membership
) -> None:
    result = arena.play(Case(BY_NAME[fault], protocol, membership, "smoke", store="lmdb"))
    assert not result.broken, "\n".join(result.broken)


@pytest.mark.parametrize(("fault", "protocol", "membership"), DATABASE_SMOKE)
def test_what_a_database_has_outlives(
    arena: Arena,
    native_postgres: type[NativePostgres],
    fault: str,
    protocol: Protocol,
    membership: Membership,
) -> None:
    assert native_postgres is not None
    result = arena.play(Case(BY_NAME[fault], protocol, membership, "smoke", store="postgresql"))
    assert not result.broken, "\n".join(result.broken)


@pytest.mark.parametrize(("protocol", "membership"), [("classic", "static")])
def test_exactly_once_outlives_a_broker_that_leaves_transactions_open(
    arena: Arena, protocol: Protocol, membership: Membership
) -> None:
    case = Case(BY_NAME["broker-outage"], protocol, membership, "smoke", kafka=LEAKY)
    assert not (result := arena.play(case)).broken, "\n".join(result.broken)


def test_no_partition_is_left_to_nobody(arena: Arena) -> None:
    case = Case(BY_NAME["killed-while-revoking"], "classic", "static", "smoke")
    assert not (result := arena.play(case)).broken, "\n".join(result.broken)


@pytest.mark.parametrize(("flaw", "fault", "promise"), MEMORY_FLAWS)
def test_a_flaw_of_memory_is_caught(arena: Arena, flaw: str, fault: str, promise: str) -> None:
    assert caught(arena, flaw, fault, promise, "lmdb")


@pytest.mark.parametrize(("flaw", "fault", "promise"), DATABASE_FLAWS)
def test_a_flaw_of_those_who_fill_a_database_is_caught(
    arena: Arena, native_postgres: type[NativePostgres], flaw: str, fault: str, promise: str
) -> None:
    assert native_postgres is not None
    assert caught(arena, flaw, fault, promise, "postgresql")


def caught(arena: Arena, flaw: str, fault: str, promise: str, store: StoreKind) -> bool:
    """Whether a flaw shows in some rounds of a fault."""
    cases = (
        Case(BY_NAME[fault], "classic", "dynamic", f"flaw:{attempt}", flaw, SOUND, store)
        for attempt in range(ATTEMPTS)
    )
    return any(promise in broken for case in cases for broken in arena.play(case).broken)
