"""Replay: each claim sees what was known when it came in, whatever the order of the file."""

import random
from functools import cache
from typing import Any

import pytest

from model.history import facts, features, past, plan, replay, store
from tests.harness.mutants import Mutant
from tests.model.history.histories import (
    KINDS,
    Asked,
    Found,
    History,
    Said,
    bits,
    drawn,
    expected,
)
from tests.model.history.mutants import ORDER, modules

HISTORIES = 400


class _Modules:
    """The modules themselves."""

    facts, features, past, plan = facts, features, past, plan
    replay, store = replay, store


@cache
def example(seed: int) -> tuple[History, list[tuple[bytes, tuple[str, ...]]]]:
    """A history, and what each of its claims saw when it came in."""
    history = drawn(seed)
    asked = [
        Asked(event.claim, event.keys, event.known_at)
        for event in history.events
        if isinstance(event, Said)
    ]
    found = [expected(history, one) for one in asked]
    return history, [(bits(values), flags) for values, flags in found]


def by_replay(of: Any, history: History) -> list[tuple[bytes, tuple[str, ...]]]:
    """The same, by replay."""
    claims = [
        of.replay.Incoming(
            of.facts.ClaimFact(
                claim=of.facts.claim_ref(e.claim), known_at=e.known_at, policy=e.policy
            ),
            e.keys,
        )
        for e in history.events
        if isinstance(e, Said)
    ]
    outcomes = [
        of.facts.OutcomeFact(claim=of.facts.claim_ref(e.claim), known_at=e.known_at, fraud=e.fraud)
        for e in history.events
        if isinstance(e, Found)
    ]
    kinds = [of.plan.EntityKind(kind=kind, like=like) for kind, like in KINDS]
    found = of.replay.replay(kinds, of.plan.Bounds(**history.limits._asdict()), claims, outcomes)
    return [(bits(one.values()), one.flags) for one in found]


def is_wrong(of: Any) -> bool:
    """True if a replay by these modules is another, or fails."""
    for seed in range(HISTORIES):
        history, right = example(seed)
        try:
            if by_replay(of, history) != right:
                return True
        except (LookupError, ValueError):
            return True
    return False


def test_a_replay_is_what_was_known_at_each_claim() -> None:
    assert not is_wrong(_Modules)


def test_the_order_of_the_file_means_nothing() -> None:
    for seed in range(60):
        history, right = example(seed)
        events = list(history.events)
        random.Random(seed).shuffle(events)
        again = by_replay(_Modules, history._replace(events=tuple(events)))
        assert sorted(map(repr, again)) == sorted(map(repr, right))


MUTANTS = [
    Mutant(
        "the wall clock as the moment",
        "replay", "found[row] = store.history(fact.claim, keys, fact.known_at)",
        "found[row] = store.history(fact.claim, keys, claims[order[-1]].fact.known_at)",
    ),
    Mutant(
        "a claim sees its own day",
        "replay", "found[row] = store.history(fact.claim, keys, fact.known_at)",
        "found[row] = store.history(fact.claim, keys, fact.known_at + 1)",
    ),
    Mutant(
        "outcomes are never learnt",
        "replay", "            store.learn(coming[learnt])\n", "",
    ),
    Mutant(
        "outcomes of the last days are not learnt",
        "replay", "coming[learnt].known_at < fact.known_at:",
        "coming[learnt].known_at < fact.known_at - 86_400_000:",
    ),
    Mutant(
        "the claim before is forgotten",
        "replay", "while taken < place and", "while taken < place - 1 and",
    ),
    Mutant(
        "claims are given back in the order of time",
        "replay", "found[row] = store", "found[place] = store",
    ),
    Mutant(
        "outcomes in the order of the file",
        "replay", "sorted(outcomes, key=lambda outcome: outcome.known_at)", "list(outcomes)",
    ),
    Mutant(
        "claims in the order of the file",
        "replay", "sorted(range(len(claims)), key=lambda row: claims[row].fact.known_at)",
        "list(range(len(claims)))",
    ),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_found_out(mutant: Mutant) -> None:
    assert is_wrong(modules(mutant, (*ORDER, "replay")))
