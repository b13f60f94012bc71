"""A store in PostgreSQL passes what every store has to, by the same checks."""

import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.memory.view import Asked, LogFact
from model.history.facts import ClaimFact, claim_ref
from model.history.plan import Bounds
from model.history.store import EntityKey
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding
from tests.consumer.memory.checks import CHECKS
from tests.consumer.memory.logs import (
    DAY,
    KINDS,
    NOW,
    PRINT,
    Log,
    answers,
    claim_fact,
    expected,
    hashed,
)
from tests.consumer.memory.postgres.mutants import store_of
from tests.consumer.memory.postgres.stores import PostgresStores, filled
from tests.harness.examples import many
from tests.harness.mutants import Mutant

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(st.randoms(use_true_random=False))
@settings(
    max_examples=many(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_log(check: Callable[..., bool], own_database: str, rng: random.Random) -> None:
    of: Any = PostgresStores(own_database)
    assert check(rng, of)


CROWD = Bounds(days=400, person=4, business=3, common=9)


def sent(number: int, kind: int, days: int) -> LogFact:
    """A claim of an entity, on a policy of its own; when it was sent again, with another offset."""
    said = RememberedClaim(
        claim_id=f"c{number}",
        known_at=NOW - days * DAY,
        key=PRINT,
        entities=(Naming(KINDS[kind].kind, hashed(1)),),
        policy=hashed(number),
    )
    return LogFact(FactKey(FactKind.CLAIM, said.claim_id, "claims", 0, days), said)


def replaced_are_looked_past(url: str, kind: int, earlier: int, of: Any = None) -> bool:
    """Whether the latest claims of an entity count from earlier on, if that is pending: within the
    span, or before it. As many of the others are seen as without them.
    """
    stored = [sent(number, kind, number + 1) for number in range(8)]
    again = [sent(number, kind, number + 1 + earlier) for number in range(5)]
    entity: EntityKey = (kind, hashed(1))
    facts: dict[bytes, ClaimFact] = {
        repr(key).encode(): claim_fact(fact)
        for key, fact in again
        if isinstance(fact, RememberedClaim)
    }
    asked = (
        Asked(claim_ref("new"), (entity,), NOW),
        Asked(claim_ref("c6"), (entity,), NOW),
        Asked(claim_ref("new"), (entity,), NOW - 3 * DAY),
        Asked(claim_ref("new"), (entity,), NOW + 5 * DAY),
    )
    view = filled(url, CROWD, of)
    view.apply(stored, {})
    told = answers(view.histories(asked, {entity: facts}))
    view.close()
    return told == expected(Log(CROWD, (), (), asked), [*stored, *again])


FEW: Final = Bounds(days=400, person=4, business=3, common=9, findings=2)


TO_AND_FRO: Final = ((90, True), (70, False), (50, True), (30, False), (10, True))
DOUBTED_AT_ONCE: Final = ((90, True), (90, False), (50, True))
"""Days before now, and whether it was fraud."""
Found = tuple[tuple[int, bool], ...]


def later_changes_do_not_count(url: str, what: Found, of: Any = None) -> bool:
    """Whether of what was found about a claim the first changes alone are seen."""
    found = [
        LogFact(
            FactKey(FactKind.FINDING, "c1", "outcomes", 0, number),
            RememberedFinding(claim_id="c1", known_at=NOW - days * DAY, fraud=fraud),
        )
        for number, (days, fraud) in enumerate(what)
    ]
    facts = [sent(1, 0, 100), *found]
    asked = [
        Asked(claim_ref("new"), ((0, hashed(1)),), NOW - days * DAY) for days in range(0, 100, 20)
    ]
    view = filled(url, FEW, of)
    view.apply(facts, {})
    told = answers(view.histories(asked, {}))
    view.close()
    return told == expected(Log(FEW, (), (), tuple(asked)), facts)


@pytest.mark.parametrize("what", [TO_AND_FRO, DOUBTED_AT_ONCE])
def test_later_changes_of_what_was_found_do_not_count(what: Found, own_database: str) -> None:
    assert later_changes_do_not_count(own_database, what)


@pytest.mark.parametrize(
    ("what", "mutant"),
    [
        (
            TO_AND_FRO,
            Mutant("all findings count", "writing",
                   "WHERE c.place < (SELECT findings FROM store)", ""),
        ),
        (
            DOUBTED_AT_ONCE,
            Mutant("a doubt comes first", "writing",
                   "ORDER BY f.found_on, v.fraud DESC LIMIT 1",
                   "ORDER BY f.found_on, v.fraud LIMIT 1"),
        ),
    ],
    ids=lambda one: one.what if isinstance(one, Mutant) else "",
)  # fmt: skip
def test_more_changes_are_found_out(what: Found, mutant: Mutant, own_database: str) -> None:
    assert not later_changes_do_not_count(own_database, what, store_of(mutant))


@pytest.mark.parametrize("earlier", [200, 450])
@pytest.mark.parametrize("kind", [0, 1])
def test_claims_that_count_from_earlier_on_hide_no_others(
    kind: int, earlier: int, own_database: str
) -> None:
    assert replaced_are_looked_past(own_database, kind, earlier)


@pytest.mark.parametrize(
    ("kind", "mutant"),
    [
        (
            1,
            Mutant("they take the place of others", "reading",
                   "most + waiting.replaced(max(oldest, former), end)", "most"),
        ),
        (
            0,
            Mutant("they make a placeholder", "reading",
                   "more + waiting.replaced(oldest, end)", "more"),
        ),
        (
            0,
            Mutant("each makes two of a placeholder", "reading",
                   "most - waiting.seen(oldest, end)", "most - 2 * waiting.seen(oldest, end)"),
        ),
    ],
    ids=lambda one: one.what if isinstance(one, Mutant) else "",
)  # fmt: skip
def test_a_mutant_is_found_out(kind: int, mutant: Mutant, own_database: str) -> None:
    of = store_of(mutant)
    assert not all(
        replaced_are_looked_past(own_database, kind, earlier, of) for earlier in (1, 200, 399, 450)
    )
