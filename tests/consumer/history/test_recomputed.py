"""Histories of alerts, compared with the log."""

import datetime as dt
import math
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from consumer.history.access.scan import LogRecord
from consumer.history.recomputed.alerts import StatedHistory
from consumer.history.recomputed.comparing import (
    KnownHistory,
    differences,
    keys_of,
    known,
    of_another_version,
    stated,
)
from consumer.history.recomputed.unseen import SLACK_MS, Differing, explained, within
from consumer.memory.facts.entries import kept_claim, named_by
from consumer.memory.log import claim_fact
from consumer.memory.view import LogFact
from model.history.facts import DAY, OutcomeFact, claim_ref, start_of_day
from model.history.features import ClaimHistory, EntityFeatures
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore
from schemas.alert import EntityHistory, MemoryStatus, Source
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding

KINDS = (EntityKind(kind="phone", like="person"),)
PHONE = b"p" * 16
KEYS = [(0, PHONE)]
BOUNDS = Bounds()
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


def by_replay(
    said: StatedHistory, records: Sequence[LogRecord], kinds: Sequence[EntityKind], bounds: Bounds
) -> KnownHistory:
    """What is known on the alert's day by the store that training's replay uses."""
    store = DictStore(kinds, bounds)
    for record in records:
        fact = record.told.fact
        if isinstance(fact, RememberedFinding):
            ref, day = claim_ref(fact.claim_id), start_of_day(fact.known_at)
            store.learn(OutcomeFact(claim=ref, known_at=day, fraud=fact.fraud))
        elif fact is not None:
            store.remember(claim_fact(fact), [(0, name) for _, name in fact.entities])
    return known(kinds, store.history(claim_ref(said.claim_id), KEYS, AS_OF))


def is_explained(
    said: StatedHistory,
    records: Sequence[LogRecord],
    kinds: Sequence[EntityKind] = KINDS,
    bounds: Bounds = BOUNDS,
) -> bool:
    by_log = by_replay(said, records, kinds, bounds)
    (found,) = explained([Differing(said, KEYS, by_log)], records, kinds, bounds)
    return found


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
    assert not is_explained(alert(of(phone(**change))), LOG)


def test_a_history_and_a_flag_may_not_be_missing_or_too_many() -> None:
    assert list(differences(of(None), of(phone())))
    assert list(differences(of(phone()), of(None)))
    assert list(differences(of(phone(), "common_entity:phone"), of(phone())))
    assert list(differences(of(phone()), of(phone(), "common_entity:phone")))


def test_what_came_in_late_explains_what_was_not_known() -> None:
    said = alert(of(phone()))
    assert is_explained(said, [*LOG, claim(3, JUST_BEFORE)])
    assert is_explained(said, [*LOG, finding(2, JUST_BEFORE, fraud=True)])
    both = [*LOG, claim(3, JUST_BEFORE), claim(4, SCORED_MS)]
    assert is_explained(said, both)


def test_what_was_there_long_before_explains_nothing() -> None:
    assert not is_explained(alert(of(phone())), [*LOG, claim(3, LONG_BEFORE)])
    memory = alert(of(phone())).memory
    assert memory is not None
    behind = alert(of(phone()), memory=msgspec.structs.replace(memory, behind_ms=1))
    assert is_explained(behind, [*LOG, claim(3, LONG_BEFORE)])


def test_more_than_the_log_says_is_explained_by_nothing() -> None:
    late = [*LOG, claim(3, JUST_BEFORE)]
    more = phone(claims_30d=4, claims_90d=4, claims_365d=4, policies=4)
    assert not is_explained(alert(of(more)), late)


def test_what_came_in_late_may_have_been_seen_in_any_order() -> None:
    late = [*LOG, claim(3, SCORED_MS, day=2), claim(4, SCORED_MS + 1, day=1)]
    second = phone(claims_30d=3, claims_90d=3, claims_365d=3, policies=3, days_since=1.0)
    assert is_explained(alert(of(second)), late)


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


def naming(record: LogRecord, kind: str, policy: bytes) -> LogRecord:
    """The same claim, naming someone else with the same hash."""
    assert isinstance(record.told.fact, RememberedClaim)
    named = (Naming(kind, PHONE),)
    said = msgspec.structs.replace(record.told.fact, entities=named, policy=policy * 16)
    return record._replace(told=record.told._replace(fact=said))


@pytest.mark.parametrize(
    ("rate", "several", "expected"),
    [(1.0, (), False), (1.0, ("phone",), True), (None, ("phone",), False), (0.5, (), True)],
)
def test_the_rate_of_several_people_need_not_be_that_of_the_counts(
    rate: float | None, several: tuple[str, ...], expected: bool
) -> None:
    """One with two decided claims, one of them a fraud, and one with a single fraud."""
    own, low = of(phone(decided=2, fraud_rate=rate)), of(phone())
    assert within(own, low, of(phone(decided=3)), 1, several) is expected


def test_a_claim_that_names_two_is_compared_by_what_says_most() -> None:
    other, keys = b"q" * 16, [(0, PHONE), (0, b"q" * 16)]
    records = [*LOG, claim(3, SCORED_MS, day=2), claim(4, SCORED_MS + 1, day=1)]
    for number in (6, 7):
        record = claim(number, LONG_BEFORE)
        assert isinstance(record.told.fact, RememberedClaim)
        fact = msgspec.structs.replace(record.told.fact, entities=(Naming("phone", other),))
        records.append(record._replace(told=record.told._replace(fact=fact)))
    records += [finding(number, LONG_BEFORE, fraud=number == 6) for number in (6, 7)]
    # Of those that came in late, only the second was seen.
    seen, whole = (
        phone(claims_30d=n, claims_90d=n, claims_365d=n, policies=n, decided=2, days_since=1.0)
        for n in (3, 4)
    )
    about = Differing(alert(of(seen)), keys, of(whole))
    assert explained([about], records, KINDS, BOUNDS) == [True]


def test_it_may_be_stopped() -> None:
    class StopError(Exception): ...

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        explained([Differing(alert(of(phone())), KEYS, of(None))], LOG, KINDS, BOUNDS, stop)


def garage(number: int, written_ms: int, day: int, policy: bytes) -> LogRecord:
    """A claim that names a garage, which has the hash of the telephone."""
    return naming(claim(number, written_ms, day), "garage", policy)


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
    assert is_explained(alert(of(seen)), [*before, *late], kinds, bounds) is expected
    # Of a garage with no more claims than are looked at, each late claim adds what it adds.
    all_seen = Bounds(business=4)
    assert is_explained(alert(of(seen)), [*before, *late], kinds, all_seen) is (policies == 2)


def test_a_placeholder_at_first_or_only_later_is_found_fact_by_fact() -> None:
    """No value lies between a history and none: only what came in late, one by one, tells."""
    kinds, bounds = KINDS, Bounds(person=4)
    late = [claim(number, SCORED_MS + number) for number in range(3, 7)]
    three = phone(claims_30d=3, claims_90d=3, claims_365d=3, policies=3)
    assert is_explained(alert(of(phone())), [*LOG, *late], kinds, bounds)
    assert is_explained(alert(of(three)), [*LOG, *late], kinds, bounds)
    assert is_explained(alert(of(None, "common_entity:phone")), [*LOG, *late[:3]], kinds, bounds)
    five = phone(claims_30d=5, claims_90d=5, claims_365d=5, policies=5)
    assert not is_explained(alert(of(five)), [*LOG, *late], kinds, bounds)


def test_alerts_looked_at_together_get_the_verdict_that_each_gets_alone() -> None:
    chance = random.Random(7)
    records = [claim(n, SCORED_MS + n + chance.randrange(-9, 9) * SLACK_MS) for n in range(40)]
    records += [
        finding(n, SCORED_MS - 1 - n + chance.randrange(-9, 9) * SLACK_MS, fraud=n % 3 == 0)
        for n in range(0, 40, 2)
    ]
    alerts = []
    for _ in range(200):
        after = dt.timedelta(milliseconds=chance.randrange(-9, 9) * SLACK_MS)
        early = SCORED_MS + after // dt.timedelta(milliseconds=1) - SLACK_MS * chance.choice((1, 3))
        seen = [one for one in records if one.written_ms < early or chance.random() < 0.3]
        made = alert(by_replay(alert(of(None)), seen, KINDS, BOUNDS), scored_at=SCORED + after)
        alerts.append(made)
    alone = [is_explained(one, records) for one in alerts]
    assert min(alone.count(True), alone.count(False)) > 20
    by_log = by_replay(alerts[0], records, KINDS, BOUNDS)
    together = [Differing(one, KEYS, by_log) for one in alerts]
    chance.shuffle(records)
    assert explained(together, records, KINDS, BOUNDS) == alone


def test_what_came_in_late_and_changes_nothing_explains_nothing() -> None:
    """Of policies among the latest claims, each late fact of an earlier day may change one."""
    kinds, bounds = (EntityKind(kind="garage", like="business"),), Bounds(business=2)
    before = [garage(n, LONG_BEFORE, 9 - n, b"A") for n in range(1, 4)]
    of_today, forgotten = garage(4, SCORED_MS, 0, b"B"), garage(5, SCORED_MS, 1_200, b"C")
    (by_log,) = by_replay(alert(of(None)), before, kinds, bounds).histories.values()

    def may_be(policies: int, late: Sequence[LogRecord]) -> bool:
        said = msgspec.structs.replace(by_log, policies=policies)
        return is_explained(alert(of(said)), [*before, *late], kinds, bounds)

    assert may_be(2, [garage(6, SCORED_MS, 1, b"A")])
    assert not may_be(3, [garage(6, SCORED_MS, 1, b"A"), of_today])
    assert not may_be(2, [of_today])
    assert not may_be(2, [forgotten])


def test_facts_about_several_are_taken_in_the_order_in_which_they_were_written() -> None:
    """The telephone became a placeholder before the address of e-mail had a claim."""
    kinds = (EntityKind(kind="email", like="person"), *KINDS)
    late = [naming(claim(2, SCORED_MS + 1), "email", b"B"), claim(1, SCORED_MS)]
    nothing = {"claims_30d": 0, "claims_90d": 0, "claims_365d": 0, "policies": 0}
    undecided = {"decided": 0, "frauds": 0, "fraud_rate": None}
    new = phone(entity="email", **nothing, days_since=None, **undecided)
    said, by_log = (
        of(email, "common_entity:phone")
        for email in (new, msgspec.structs.replace(new, claims_30d=1))
    )
    about = Differing(alert(said), [(0, PHONE), (1, PHONE)], by_log)
    assert explained([about], [claim(3, LONG_BEFORE), *late], kinds, Bounds(person=2)) == [True]

    # It became one later: only the first of the late facts was seen.
    late.append(claim(4, SCORED_MS + 2))
    two = phone(claims_30d=2, claims_90d=2, claims_365d=2, policies=2, **undecided)
    both = KnownHistory({"email": new, "phone": two}, frozenset())
    about = Differing(alert(both), [(0, PHONE), (1, PHONE)], by_log)
    assert explained([about], [claim(3, LONG_BEFORE), *late], kinds, Bounds(person=3)) == [True]


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
