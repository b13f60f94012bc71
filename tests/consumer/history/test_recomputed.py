"""Histories of alerts, compared with the log."""

import datetime as dt
import math
from typing import Any

import msgspec
import pytest

from consumer.history.access.scan import LogRecord
from consumer.history.recomputed.alerts import StatedHistory
from consumer.history.recomputed.check import (
    SLACK_MS,
    KnownHistory,
    differences,
    explained,
    keys_of,
    known,
    of_another_version,
    stated,
    within,
)
from consumer.memory.facts.entries import kept_claim, named_by
from consumer.memory.view import LogFact
from model.history.facts import DAY
from model.history.features import ClaimHistory, EntityFeatures
from model.history.plan import Bounds, EntityKind
from schemas.alert import EntityHistory, MemoryStatus, Source
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding

KINDS = (EntityKind(kind="phone", like="person"),)
PHONE = b"p" * 16
KEYS = [(0, PHONE)]
SCORED = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SCORED_MS = int(SCORED.timestamp() * 1_000)
AS_OF = SCORED_MS // DAY * DAY
SOURCE = Source("claims", 0, 9)


def alert(known_then: KnownHistory, **changes: Any) -> StatedHistory:
    memory = MemoryStatus(
        as_of=dt.datetime.fromtimestamp(AS_OF / 1_000, dt.UTC), behind_ms=0, version=1
    )
    said = StatedHistory(
        alert_id="x",
        claim_id="own",
        model_sha256="m",
        scored_at=SCORED,
        source=SOURCE,
        history=tuple(known_then.histories.values()),
        memory=memory,
        data_quality=tuple(known_then.common),
    )
    return msgspec.structs.replace(said, **changes)


def claim(number: int, written_ms: int, day: int = 3) -> LogRecord:
    said = RememberedClaim(
        claim_id=f"c{number}",
        known_at=AS_OF - day * DAY,
        key="k",
        entities=(Naming("phone", PHONE),),
        policy=b"%016d" % number,
    )
    key = FactKey(FactKind.CLAIM, said.claim_id, "claims", 0, number)
    return LogRecord(0, repr(key).encode(), LogFact(key, said), written_ms)


def finding(number: int, written_ms: int, *, fraud: bool) -> LogRecord:
    said = RememberedFinding(claim_id=f"c{number}", known_at=AS_OF - DAY, fraud=fraud)
    key = FactKey(FactKind.FINDING, said.claim_id, "outcomes", 0, number)
    return LogRecord(0, repr(key).encode(), LogFact(key, said), written_ms)


def phone(**changes: Any) -> EntityHistory:
    values = EntityHistory(
        entity="phone",
        claims_30d=2,
        claims_90d=2,
        claims_365d=2,
        policies=2,
        policies_at_least=False,
        days_since=3.0,
        decided=1,
        frauds=1,
        fraud_rate=1.0,
    )
    return msgspec.structs.replace(values, **changes)


def of(history: EntityHistory | None, *common: str) -> KnownHistory:
    return KnownHistory({} if history is None else {history.entity: history}, frozenset(common))


LONG_BEFORE, JUST_BEFORE = SCORED_MS - SLACK_MS - 1, SCORED_MS - SLACK_MS
LOG = [claim(1, LONG_BEFORE), claim(2, LONG_BEFORE), finding(1, LONG_BEFORE, fraud=True)]


def test_alert_and_log_are_in_one_form() -> None:
    said = EntityFeatures(2.0, 2.0, 2.0, 2.0, 3.0, 1.0, 1.0, 1.0)
    assert known(KINDS, ClaimHistory((said,))) == of(phone()) == stated(alert(of(phone())))
    nobody = ClaimHistory((EntityFeatures(),), ("common_entity:phone",))
    flagged = alert(of(None), data_quality=("missing:x", "common_entity:phone"))
    assert known(KINDS, nobody) == of(None, "common_entity:phone") == stated(flagged)


@pytest.mark.parametrize(
    "change",
    [
        {"claims_30d": 1},
        {"claims_90d": 1},
        {"claims_365d": 1},
        {"policies": 1},
        {"policies_at_least": True},
        {"days_since": None},
        {"days_since": math.nextafter(3.0, 4.0)},
        {"decided": 2},
        {"frauds": 0},
        {"fraud_rate": None},
    ],
)
def test_no_value_may_differ(change: dict[str, Any]) -> None:
    assert list(differences(of(phone()), of(phone()))) == []
    (why,) = differences(of(phone(**change)), of(phone()))
    ((name, value),) = change.items()
    assert f"phone: {name} is {value}, by the log" in why
    # Nothing came in late, so nothing explains it.
    assert not explained(alert(of(phone(**change))), KEYS, LOG, KINDS, Bounds())


def test_a_history_and_a_flag_may_not_be_missing_or_too_many() -> None:
    assert list(differences(of(None), of(phone())))
    assert list(differences(of(phone()), of(None)))
    assert list(differences(of(phone(), "common_entity:phone"), of(phone())))
    assert list(differences(of(phone()), of(phone(), "common_entity:phone")))


def test_what_came_in_late_explains_what_was_not_known() -> None:
    said = alert(of(phone()))
    assert explained(said, KEYS, [*LOG, claim(3, JUST_BEFORE)], KINDS, Bounds())
    assert explained(said, KEYS, [*LOG, finding(2, JUST_BEFORE, fraud=True)], KINDS, Bounds())
    both = [*LOG, claim(3, JUST_BEFORE), claim(4, SCORED_MS)]
    assert explained(said, KEYS, both, KINDS, Bounds())


def test_what_was_there_long_before_explains_nothing() -> None:
    assert not explained(alert(of(phone())), KEYS, [*LOG, claim(3, LONG_BEFORE)], KINDS, Bounds())
    memory = alert(of(phone())).memory
    assert memory is not None
    behind = alert(of(phone()), memory=msgspec.structs.replace(memory, behind_ms=1))
    assert explained(behind, KEYS, [*LOG, claim(3, LONG_BEFORE)], KINDS, Bounds())


def test_more_than_the_log_says_is_explained_by_nothing() -> None:
    late = [*LOG, claim(3, JUST_BEFORE)]
    more = phone(claims_30d=4, claims_90d=4, claims_365d=4, policies=4)
    assert not explained(alert(of(more)), KEYS, late, KINDS, Bounds())


def test_what_came_in_late_may_have_been_seen_in_any_order() -> None:
    late = [*LOG, claim(3, SCORED_MS, day=2), claim(4, SCORED_MS + 1, day=1)]
    second = phone(claims_30d=3, claims_90d=3, claims_365d=3, policies=3, days_since=1.0)
    assert explained(alert(of(second)), KEYS, late, KINDS, Bounds())


@pytest.mark.parametrize(
    ("own", "low", "high", "expected"),
    [
        (phone(claims_30d=3), phone(), phone(claims_30d=4), True),
        (phone(claims_30d=1), phone(), phone(claims_30d=4), False),
        (phone(decided=2), phone(), phone(decided=3), False),
        (phone(decided=2, fraud_rate=0.5), phone(), phone(decided=3), True),
        (phone(days_since=2.0), phone(days_since=None), phone(days_since=1.0), True),
        (phone(days_since=None), phone(), phone(days_since=1.0), False),
        (phone(days_since=0.5), phone(), phone(days_since=1.0), False),
        (phone(days_since=4.0), phone(), phone(days_since=1.0), False),
        (None, phone(), phone(), False),
        (phone(), phone(), None, False),
        (None, None, None, True),
    ],
)
def test_a_value_is_between_what_was_known_and_what_came_in_late(
    own: EntityHistory | None,
    low: EntityHistory | None,
    high: EntityHistory | None,
    expected: bool,
) -> None:
    assert within(of(own), of(low), of(high)) is expected


def garage(number: int, written_ms: int, day: int, policy: bytes) -> LogRecord:
    """A claim that names a garage, which has the hash of the telephone."""
    record = claim(number, written_ms, day)
    assert isinstance(record.told.fact, RememberedClaim)
    named = (Naming("garage", PHONE),)
    said = msgspec.structs.replace(record.told.fact, entities=named, policy=policy * 16)
    return record._replace(told=record.told._replace(fact=said))


@pytest.mark.parametrize(("policies", "expected"), [(0, True), (2, True), (3, True), (4, False)])
def test_policies_among_the_latest_claims_are_not_between(policies: int, expected: bool) -> None:
    """Two of the latest claims are looked at: of A, A, B and B only the last was seen."""
    kinds, bounds = (EntityKind(kind="garage", like="business"),), Bounds(business=2)
    before = [garage(1, LONG_BEFORE, 5, b"A"), garage(2, LONG_BEFORE, 4, b"A")]
    late = [garage(3, SCORED_MS, 3, b"B"), garage(4, SCORED_MS + 1, 2, b"B")]
    seen = phone(
        entity="garage",
        claims_30d=3,
        claims_90d=3,
        claims_365d=3,
        policies=policies,
        policies_at_least=True,
        days_since=2.0,
        decided=0,
        frauds=0,
        fraud_rate=None,
    )
    assert explained(alert(of(seen)), KEYS, [*before, *late], kinds, bounds) is expected
    # Of a garage with no more claims than are looked at, each late claim adds what it adds.
    all_seen = Bounds(business=4)
    assert explained(alert(of(seen)), KEYS, [*before, *late], kinds, all_seen) is (policies == 2)


def test_whom_a_claim_names_is_said_by_its_record() -> None:
    key = FactKey(FactKind.CLAIM, "own", SOURCE.topic, SOURCE.partition, SOURCE.offset)
    fact = RememberedClaim(
        claim_id="own", known_at=AS_OF, key="k", entities=(Naming("phone", PHONE),)
    )
    assert keys_of(kept_claim(key, fact, named_by(fact, {"phone": b"\0"}))) == KEYS


def test_another_version_is_not_compared() -> None:
    said = alert(of(None))
    assert said.memory is not None
    assert not of_another_version(said)
    newer = msgspec.structs.replace(said.memory, version=2)
    assert of_another_version(alert(of(None), memory=newer))
