"""Claims that name a person or a thing, as they are listed."""

import datetime as dt

from consumer.history.access.gather import Gathered, Sought
from consumer.history.access.scan import LogRecord
from consumer.history.listing import listing, summary, table
from consumer.memory.view import LogFact
from model.history.facts import DAY
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding

PHONE, OTHER = Naming("phone", b"p" * 16), Naming("phone", b"o" * 16)
ONLY = frozenset({PHONE})
HOUR = DAY // 24


def claim(
    claim_id: str, known_at: int, policy: bytes = b"", named: Naming = PHONE, offset: int = 0
) -> LogFact:
    said = RememberedClaim(
        claim_id=claim_id,
        known_at=known_at,
        key="k",
        entities=(named,),
        policy=policy or None,
        day=dt.date(2026, 1, 2),
        amount=10.5,
    )
    return LogFact(FactKey(FactKind.CLAIM, claim_id, "t", 0, offset), said)


def finding(claim_id: str, known_at: int, *, fraud: bool, offset: int = 0) -> LogFact:
    said = RememberedFinding(claim_id=claim_id, known_at=known_at, fraud=fraud)
    return LogFact(FactKey(FactKind.FINDING, claim_id, "t", 1, offset), said)


def test_the_latest_is_first_and_a_claim_counts_from_its_first_record() -> None:
    facts = [
        claim("a", 5 * DAY, b"1" * 16),
        claim("a", 2 * DAY, b"1" * 16, offset=1),
        claim("b", 3 * DAY, b"2" * 16),
        claim("c", 3 * DAY),
        claim("d", 9 * DAY, named=OTHER),
    ]
    found = listing("phone", facts, ONLY)
    assert [(one.claim_id, one.policy) for one in found.claims] == [("b", 1), ("c", None), ("a", 2)]
    assert found.claims[2].known_at == dt.datetime(1970, 1, 3, tzinfo=dt.UTC)
    assert (found.policies, found.decided, found.frauds) == (2, 0, 0)
    assert summary(found) == "3 claims with this phone, on 2 policies; 0 decided, 0 of them fraud"


def test_the_latest_finding_counts_and_of_one_day_the_one_that_clears() -> None:
    facts = [
        *(claim(name, DAY) for name in "abc"),
        finding("a", 2 * DAY, fraud=False),
        finding("a", 3 * DAY, fraud=True, offset=1),
        finding("b", 3 * DAY + HOUR, fraud=False),
        finding("b", 3 * DAY + 2 * HOUR, fraud=True, offset=1),
    ]
    found = {one.claim_id: one for one in listing("phone", facts, ONLY).claims}
    assert (found["a"].fraud, found["b"].fraud, found["c"].fraud) == (True, False, None)
    assert found["b"].found_at == dt.datetime(1970, 1, 4, 1, tzinfo=dt.UTC)
    assert found["c"].found_at is None
    told = listing("phone", facts, ONLY)
    assert (told.decided, told.frauds) == (2, 1)


def test_a_table_says_no_hash() -> None:
    found = listing("phone", [claim("a", DAY, b"1" * 16)], ONLY)
    (row,) = table(found).rows
    assert row == (
        "a", "1970-01-02 00:00:00", "policy 1", "2026-01-02", "10.50", "-", "-",
    )  # fmt: skip


def record(told: LogFact, partition: int = 0, written_ms: int = 0) -> LogRecord:
    return LogRecord(partition, repr(told.key).encode(), told, written_ms)


def test_what_is_forgotten_is_gathered_no_more_and_each_partition_has_its_own() -> None:
    found, told = Gathered(), claim("a", DAY)
    found.add(record(told, 0))
    found.add(record(told, 1))
    assert len(found.places) == 2
    found.add(record(LogFact(told.key, None), 0))
    assert [partition for partition, _ in found.places] == [1]


def test_of_what_is_said_again_the_first_time_counts() -> None:
    found, told = Gathered(), claim("a", DAY)
    for written_ms in (7, 9):
        found.add(record(told, 0, written_ms))
    assert [one.written_ms for one in found.records] == [7]
    found.add(record(LogFact(told.key, claim("a", 2 * DAY).fact), 0, 11))
    assert [one.written_ms for one in found.records] == [11]


def test_who_is_sought_is_found_by_id_or_by_name() -> None:
    assert Sought(named=ONLY).takes(claim("a", DAY))
    assert not Sought(named=ONLY).takes(claim("a", DAY, named=OTHER))
    assert not Sought(named=ONLY).takes(finding("a", DAY, fraud=True))
    assert Sought(frozenset("a")).takes(finding("a", DAY, fraud=True))
    assert Sought(frozenset("a")).takes(LogFact(finding("a", DAY, fraud=True).key, None))
