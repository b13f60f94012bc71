"""Whether alerts say what was known when their claims were scored: no more, and no less. Pure.

The facts of the log are replayed in the order in which they can have become known to a worker: a
claim when it was scored for good, a finding when it was written.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from consumer.memory.log import claim_fact
from model.history.facts import OutcomeFact, claim_ref, start_of_day
from model.history.features import COMMON, MISSING, ClaimHistory, EntityFeatures
from model.history.plan import Bounds, EntityKind, kinds_in
from model.history.store import DictStore, EntityKey
from schemas.alert import FraudAlert, MemoryStatus
from schemas.contract.parse import shipped
from schemas.memory import RememberedClaim, RememberedFinding, read_fact, read_key
from tests.broker.read import Record
from tests.harness.outcomes import Place

KINDS: Final = kinds_in(shipped("motor"))
NUMBERS: Final = {kind.kind: number for number, kind in enumerate(KINDS)}
SLACK: Final = dt.timedelta(seconds=10)
"""A transaction takes a while: what was scored so shortly before may not have been seen. The same
as that of `check-history`."""


class Fact(NamedTuple):
    """A record of the log."""

    at: dt.datetime
    """Before this moment no worker can have known it."""
    said: RememberedClaim | RememberedFinding


def check(
    alerts: Sequence[tuple[Place, FraudAlert]], log: Sequence[Record]
) -> dict[str, list[str]]:
    """Alerts by the promise that they break."""
    scored_at = {place: alert.scored_at for place, alert in alerts}
    facts = sorted(_facts(log, scored_at), key=lambda fact: fact.at)
    named = dict(_claims(log))
    told = [(place, alert) for place, alert in alerts if place in named]
    other_day = [
        alert.claim_id
        for place, alert in told
        if _status(alert).as_of.timestamp() * 1_000 != start_of_day(named[place].known_at)
    ]
    more, fewer = [], []
    in_order = sorted(told, key=lambda one: one[1].scored_at)
    most = _replayed(facts, [alert.scored_at for _, alert in in_order])
    for (place, alert), store in zip(in_order, most, strict=True):
        high, own = _history(store, named[place]), stated(alert, KINDS)
        if _says_more(own, high):
            more.append(f"{alert.claim_id}: {_words(own)}, at most {_words(high)}")

    def long_ago(one: tuple[Place, FraudAlert]) -> dt.datetime:
        behind = dt.timedelta(milliseconds=_status(one[1]).behind_ms)
        return one[1].scored_at - behind - SLACK

    in_order = sorted(told, key=long_ago)
    for (place, alert), store in zip(
        in_order, _replayed(facts, list(map(long_ago, in_order))), strict=True
    ):
        low, own = _history(store, named[place]), stated(alert, KINDS)
        if _says_more(low, own):
            fewer.append(f"{alert.claim_id}: {_words(own)}, at least {_words(low)}")
    return {
        "a history is not as of the day of its claim": other_day,
        "an alert knew what nobody can have known": more,
        "an alert did not know what had long been known": fewer,
    }


def stated(alert: FraudAlert, kinds: Sequence[EntityKind]) -> ClaimHistory:
    """The history that an alert states, as its model was given it."""
    by_kind = {one.entity: one for one in alert.history or ()}
    found = []
    for kind in kinds:
        one = by_kind.get(kind.kind)
        if one is None:
            found.append(MISSING)
            continue
        missing = math.nan
        found.append(
            EntityFeatures(
                one.claims_30d,
                one.claims_90d,
                one.claims_365d,
                one.policies,
                missing if one.days_since is None else one.days_since,
                one.decided,
                one.frauds,
                missing if one.fraud_rate is None else one.fraud_rate,
            )
        )
    flags = tuple(flag for flag in alert.data_quality if flag.startswith(f"{COMMON}:"))
    return ClaimHistory(tuple(found), flags)


def _status(alert: FraudAlert) -> MemoryStatus:
    assert isinstance(alert.memory, MemoryStatus)
    return alert.memory


def _claims(log: Sequence[Record]) -> Iterator[tuple[Place, RememberedClaim]]:
    for row in log:
        fact, key = read_fact(row.value or b""), read_key(row.key)
        if isinstance(fact, RememberedClaim):
            yield (key.topic, key.partition, key.offset), fact


def _facts(log: Sequence[Record], scored_at: Mapping[Place, dt.datetime]) -> Iterator[Fact]:
    for place, claim in _claims(log):
        if place in scored_at:
            yield Fact(scored_at[place], claim)
    for row in log:
        fact = read_fact(row.value or b"")
        if isinstance(fact, RememberedFinding):
            yield Fact(dt.datetime.fromtimestamp(row.timestamp / 1_000, dt.UTC), fact)


def _replayed(facts: Sequence[Fact], moments: Sequence[dt.datetime]) -> Iterator[DictStore]:
    """The same store again and again: what can have been known as of each moment, in order."""
    store, left = DictStore(KINDS, Bounds()), iter(facts)
    fact = next(left, None)
    for moment in moments:
        while fact is not None and fact.at <= moment:
            _take_in(store, fact.said)
            fact = next(left, None)
        yield store


def _take_in(store: DictStore, said: RememberedClaim | RememberedFinding) -> None:
    if isinstance(said, RememberedClaim):
        store.remember(claim_fact(said), _keys(said))
        return
    day = start_of_day(said.known_at)
    store.learn(OutcomeFact(claim=claim_ref(said.claim_id), known_at=day, fraud=said.fraud))


def _history(store: DictStore, claim: RememberedClaim) -> ClaimHistory:
    moment = start_of_day(claim.known_at)
    return store.history(claim_ref(claim.claim_id), _keys(claim), moment)


def _keys(claim: RememberedClaim) -> list[EntityKey]:
    return [(NUMBERS[kind], name) for kind, name in claim.entities]


def _says_more(one: ClaimHistory, other: ClaimHistory) -> bool:
    """Whether a history counts more than another, in what only grows as more is known."""
    if {*one.flags} - {*other.flags}:
        return True
    # NaN, of an entity that is taken for a placeholder, is more than nothing, and nothing is more.
    return any(
        mine.claims_365d > yours.claims_365d or mine.decided > yours.decided
        for mine, yours in zip(one.kinds, other.kinds, strict=True)
    )


def _words(history: ClaimHistory) -> str:
    return " ".join(
        f"{kind.kind}:{found.claims_365d:.0f}/{found.decided:.0f}"
        for kind, found in zip(KINDS, history.kinds, strict=True)
    )
