"""Claims on their way back from the log."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.memory.pending import Claimed, PendingClaims
from consumer.memory.postgres.follower import CommittedClaims
from model.history.facts import DAY, ClaimFact, claim_ref
from model.history.store import EntityKey


def claimed(number: int, day: int = 1, entities: Sequence[EntityKey] = ((0, b"a"),)) -> Claimed:
    fact = ClaimFact(claim=claim_ref(f"c{number}"), known_at=day * DAY)
    return Claimed(str(number).encode(), fact, entities)


def seen(pending: PendingClaims) -> dict[EntityKey, list[ClaimFact]]:
    return {key: list(facts.values()) for key, facts in pending.facts.items()}


def test_a_claim_is_pending_under_each_of_its_entities() -> None:
    pending = PendingClaims()
    one = claimed(1, entities=((0, b"a"), (2, b"b")))
    pending.add([one])
    assert seen(pending) == {(0, b"a"): [one.fact], (2, b"b"): [one.fact]}


def test_of_too_many_the_oldest_are_let_go() -> None:
    pending = PendingClaims(3)
    batches = [[claimed(n) for n in numbers] for numbers in ((1, 2), (3,), (4, 5))]
    for batch in batches:
        pending.add(batch)
    assert seen(pending) == {(0, b"a"): [claimed(n).fact for n in (3, 4, 5)]}
    pending.committed()
    pending.committed()
    pending.void()
    assert seen(pending) == {(0, b"a"): [claimed(3).fact]}


def test_what_came_back_is_pending_no_more() -> None:
    pending = PendingClaims()
    pending.add([claimed(1), claimed(2, entities=())])
    pending.committed()
    pending.returned([b"1", b"unknown"])
    assert seen(pending) == {}
    assert len(pending) == 1
    pending.returned([b"2"])
    assert len(pending) == 0


def test_what_is_not_committed_never_happened() -> None:
    pending = PendingClaims()
    first, second, third = claimed(1), claimed(2), claimed(3)
    pending.add([first])
    pending.add([second])
    pending.committed()
    pending.void()
    assert seen(pending) == {(0, b"a"): [first.fact]}
    pending.add([third])
    pending.committed()
    pending.void()
    assert seen(pending) == {(0, b"a"): [first.fact, third.fact]}


def test_a_claim_that_is_scored_again_is_pending_once() -> None:
    pending = PendingClaims()
    pending.add([claimed(1)])
    pending.add([claimed(1)])
    assert seen(pending) == {(0, b"a"): [claimed(1).fact]}
    assert len(pending) == 1


ENTITIES: list[EntityKey] = [(0, b"a"), (0, b"b"), (1, b"a")]
CLAIM = st.builds(
    claimed,
    st.integers(0, 9),
    st.integers(0, 3),
    st.lists(st.sampled_from(ENTITIES), unique=True).map(tuple),
)
STEP = st.one_of(
    st.lists(CLAIM, max_size=4, unique_by=lambda claim: claim.key),
    st.sampled_from(["commit", "void"]),
    st.lists(st.integers(0, 9).map(lambda n: str(n).encode()), max_size=3).map(tuple),
)


@given(st.lists(STEP, max_size=20))
def test_it_holds_what_was_added_and_neither_voided_nor_returned(steps: list[object]) -> None:
    pending = PendingClaims()
    held: dict[bytes, Claimed] = {}
    open_batches: list[list[bytes]] = []
    for step in steps:
        if isinstance(step, list):
            pending.add(step)
            held |= {claim.key: claim for claim in step}
            open_batches.append([claim.key for claim in step])
        elif isinstance(step, tuple):
            pending.returned(step)
            held = {key: claim for key, claim in held.items() if key not in step}
        elif step == "commit" and open_batches:
            pending.committed()
            open_batches.pop(0)
        elif step == "void":
            pending.void()
            void = {key for batch in open_batches for key in batch}
            held = {key: claim for key, claim in held.items() if key not in void}
            open_batches.clear()
    assert len(pending) == len(held)
    expected = defaultdict(list)
    for claim in held.values():
        for entity in claim.entities:
            expected[entity].append(claim.fact)
    found = seen(pending)
    assert found.keys() == expected.keys()
    for key, facts in found.items():
        assert sorted(facts, key=by_claim) == sorted(expected[key], key=by_claim)


def by_claim(fact: ClaimFact) -> tuple[bytes, int]:
    return fact.claim, fact.known_at


class Key(bytes):
    """Of a record; counts how many are kept anywhere."""

    kept = 0

    def __new__(cls, number: int) -> Self:
        cls.kept += 1
        return super().__new__(cls, str(number).encode())

    def __del__(self) -> None:
        Key.kept -= 1


@pytest.mark.parametrize("batches", [3, 30])
def test_while_the_database_stands_still_keys_are_kept_of_pending_claims_only(batches: int) -> None:
    """Claims that were let go, as they were too many, leave no key."""
    pending = CommittedClaims(most=20)
    for start in range(0, 10 * batches, 10):
        if start == 20:
            pending.reached()  # what was committed before is noted, and then let go
        pending.add([claimed(n)._replace(key=Key(n)) for n in range(start, start + 10)])
        pending.committed()
    assert len(pending) == Key.kept == 20
    pending.reached()
    pending.reached()
    assert len(pending) == Key.kept == 0
