"""What is outdated can go: every later claim is told the same without it."""

import random
from collections.abc import Sequence

from consumer.history.access.outdated import oldest_kept, outdated
from consumer.history.access.scan import LogRecord
from consumer.memory.view import LogFact
from schemas.alert import Source
from schemas.memory import FactKind, RememberedClaim, fact_key
from tests.consumer.memory.logs import DAY, NOW, Log, drawn, final, in_memory

LOGS = 400
FAR = NOW + 10_000 * DAY


def records(facts: Sequence[LogFact]) -> list[LogRecord]:
    """As they stand in a log of one partition."""
    return [
        LogRecord(0, fact_key(told.key.kind, told.key.claim_id, Source(*told.key[2:])), told, 0)
        for told in facts
    ]


def without(log: Log, oldest: int) -> list[LogFact]:
    """The log, and null under each key of what is outdated."""
    found = records(log.facts)
    gone = set(outdated(lambda: found, oldest).places)
    nulls = {record.told.key for record in found if (0, record.key) in gone}
    return [*log.facts, *(LogFact(key, None) for key in nulls)]


def told_otherwise(log: Log, days_more: int) -> tuple[bool, int]:
    """Whether a claim of the latest day or later is told something else without what is outdated,
    and so much more, and how many records are.
    """
    said = [fact.known_at for _, fact in log.facts if isinstance(fact, RememberedClaim)]
    if not said:
        return False, 0
    oldest = oldest_kept(records(log.facts), log.bounds.days, FAR) + days_more * DAY
    left = without(log, oldest)
    before, after = in_memory(log.bounds, log.facts), in_memory(log.bounds, left)
    first = max(said) // DAY * DAY
    changed = any(
        repr(before.history(one.claim, one.keys, moment))
        != repr(after.history(one.claim, one.keys, moment))
        for one in log.asked
        for moment in (first, first + DAY, first + 29 * DAY, first + log.bounds.span)
    )
    return changed, len(left) - len(log.facts)


def test_later_claims_are_told_the_same_without_what_is_outdated() -> None:
    found = [told_otherwise(drawn(random.Random(seed)), 0) for seed in range(LOGS)]
    assert not any(changed for changed, _ in found)
    assert sum(gone > 0 for _, gone in found) > LOGS // 8, "something was outdated"


def test_one_day_more_is_seen() -> None:
    found = [told_otherwise(drawn(random.Random(seed)), 1) for seed in range(LOGS)]
    assert any(changed for changed, _ in found)


def test_a_claim_of_the_future_makes_nothing_outdated() -> None:
    log = drawn(random.Random(1))
    said = [fact.known_at for _, fact in log.facts if isinstance(fact, RememberedClaim)]
    early = sorted(said)[0]
    assert oldest_kept(records(log.facts), 10, early) == early // DAY * DAY - 10 * DAY
    assert oldest_kept([], 10, early) < 0


def test_nothing_is_left_of_a_claim_that_nobody_sees() -> None:
    went = 0
    for seed in range(LOGS):
        log = drawn(random.Random(seed))
        oldest = oldest_kept(records(log.facts), log.bounds.days, FAR)
        before, after = final(log.facts), final(without(log, oldest))
        seen = {
            key.claim_id
            for key, fact in log.facts
            if isinstance(fact, RememberedClaim) and fact.known_at // DAY * DAY >= oldest
        }
        kept = {key.claim_id for key in after if key.kind == FactKind.CLAIM}
        assert kept <= seen
        assert {key for key in before if key.kind == FactKind.CLAIM and key.claim_id in seen} <= {
            *after
        }
        went += len(before) - len(after)
    assert went > LOGS // 8
