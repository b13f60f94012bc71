"""Small histories drawn at random, and their features by the plainest reading of the rules.

The oracle shares no code with `model.history`: it filters a list of everything that was ever said.
"""

import hashlib
import math
import random
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from model.history.facts import claim_ref

DAY = 86_400_000
NAN = math.nan
KINDS = (("phone", "person"), ("garage", "business"))
NOW = 20_000 * DAY
EDGES = (0, 1, 30 * DAY, 90 * DAY, 365 * DAY)


class Limits(NamedTuple):
    """As `model.history.plan.Bounds`, small enough to be reached by few facts."""

    days: int
    person: int
    business: int
    common: int
    names: int = 64
    findings: int = 16

    @property
    def span(self) -> int:
        return self.days * DAY


LIMITS = (
    Limits(400, 3, 2, 3),
    Limits(60, 4, 3, 2),
    Limits(400, 3, 2, 3, 2, 2),
    Limits(1_095, 256, 64, 20, 1, 3),
)


class Said(NamedTuple):
    """A claim that came in, with the keys (number of the kind, name) of its entities."""

    claim: str
    known_at: int
    policy: bytes | None
    keys: tuple[tuple[int, bytes], ...]


class Found(NamedTuple):
    """What was found about a claim."""

    claim: str
    known_at: int
    fraud: bool


class Asked(NamedTuple):
    """A claim whose features are asked for."""

    claim: str
    keys: tuple[tuple[int, bytes], ...]
    as_of: int


class History(NamedTuple):
    """Everything that was said, in the order in which it arrived, and what is asked."""

    limits: Limits
    events: tuple[Said | Found, ...]
    asked: tuple[Asked, ...]


def drawn(seed: int) -> History:
    """A history with few entities and claims, and times at and next to the edges of windows."""
    rng = random.Random(seed)
    limits = rng.choice(LIMITS)
    edges = (*EDGES, limits.span, limits.span + 30 * DAY)

    def moment() -> int:
        if rng.random() < 0.4:
            return NOW - rng.randrange(0, 500) * DAY
        return NOW - rng.choice(edges) + rng.choice((-1, 0, 0, 1, DAY, -DAY))

    def keys() -> tuple[tuple[int, bytes], ...]:
        drawn_keys = {(kind, bytes([rng.randrange(2)])) for kind in (0, 0, 1) if rng.random() < 0.8}
        return tuple(sorted(drawn_keys))

    claims = [f"c{n}" for n in range(rng.randrange(1, 9))]
    events: list[Said | Found] = [
        Said(rng.choice(claims), moment(), rng.choice((None, b"p", b"q", b"r", b"s")), keys())
        for _ in range(rng.randrange(1, 12))
    ]
    events += [
        Found(rng.choice(claims), moment(), rng.random() < 0.6) for _ in range(rng.randrange(0, 10))
    ]
    rng.shuffle(events)
    asked = tuple(
        Asked(rng.choice((*claims, "new")), keys(), rng.choice((NOW, NOW, moment())))
        for _ in range(6)
    )
    return History(limits, tuple(events), asked)


def expected(history: History, asked: Asked) -> tuple[list[float], tuple[str, ...]]:
    """The features and flags by the plainest reading of the rules."""
    values: list[float] = []
    flags = []
    for number, (kind, like) in enumerate(KINDS):
        named = [key for key in asked.keys if key[0] == number]
        each = [_of_entity(history, key, like, asked) for key in named]
        known = [one for one in each if one is not None]
        if len(known) < len(each):
            flags.append(f"common_entity:{kind}")
        for column in range(8):
            there = [one[column] for one in known if not math.isnan(one[column])]
            pick = min if column == 4 else max
            values.append(pick(there) if there else NAN)
    return values, tuple(flags)


def _of_entity(
    history: History, key: tuple[int, bytes], like: str, asked: Asked
) -> list[float] | None:
    limits, as_of = history.limits, asked.as_of
    first = {
        claim: said
        for claim in {event.claim for event in history.events}
        if (said := _first(history, claim, key)) is not None
        and key in _names_that_count(history, claim)
    }
    seen = sorted(
        (said.known_at, _digest(said.claim), said.claim, said.policy)
        for said in first.values()
        if said.claim != asked.claim and as_of - limits.span <= said.known_at < as_of
    )
    counts = [sum(at >= as_of - days * DAY for at, *_ in seen) for days in (30, 90, 365)]
    latest = seen[-(limits.person if like == "person" else limits.business) :]
    policies = {policy for *_, policy in latest if policy is not None}
    if like == "person" and (len(policies) >= limits.common or len(seen) >= limits.person):
        return None
    outcomes = []
    for _, _, claim, _ in seen:
        said_of_it = [one for one in _changes(history, claim) if one[0] < as_of]
        if said_of_it and max(said_of_it)[0] >= as_of - limits.span:
            outcomes.append(not max(said_of_it)[1])
    return [
        *map(float, counts),
        float(len(policies)),
        (as_of - seen[-1][0]) / DAY if seen else NAN,
        float(len(outcomes)),
        float(sum(outcomes)),
        sum(outcomes) / len(outcomes) if outcomes else NAN,
    ]


def _first(history: History, claim: str, key: tuple[int, bytes]) -> Said | None:
    """The record of a claim that counts for an entity."""
    naming = [
        said
        for said in history.events
        if isinstance(said, Said) and said.claim == claim and key in said.keys
    ]
    return min(naming, key=lambda said: (said.known_at, said.policy or b""), default=None)


def _names_that_count(history: History, claim: str) -> list[tuple[int, bytes]]:
    """The entities that a claim named first."""
    named = []
    for key in {key for event in history.events if isinstance(event, Said) for key in event.keys}:
        said = _first(history, claim, key)
        if said is not None:
            named.append((said.known_at, key))
    return [key for _, key in sorted(named)[: history.limits.names]]


def _changes(history: History, claim: str) -> list[tuple[int, bool]]:
    """When other things were found about a claim than before, and whether it was cleared."""
    every = sorted(
        {
            (found.known_at, not found.fraud)
            for found in history.events
            if isinstance(found, Found) and found.claim == claim
        }
    )
    found = [one for n, one in enumerate(every) if n == 0 or one[1] != every[n - 1][1]]
    return found[: history.limits.findings]


def _digest(claim: str) -> bytes:
    """What orders claims of one moment."""
    return hashlib.blake2b(claim.encode(), digest_size=16, person=b"claim").digest()


def filled(modules: Any, limits: Limits, events: Iterable[Said | Found]) -> Any:
    """A store of `modules` (see `tests.model.history.mutants`) that was given the events."""
    kinds = [modules.plan.EntityKind(kind=kind, like=like) for kind, like in KINDS]
    store = modules.store.DictStore(kinds, modules.plan.Bounds(**limits._asdict()))
    for event in events:
        give(modules, store, event)
    return store


def give(modules: Any, store: Any, event: Said | Found) -> None:
    """Let a store take in one event."""
    facts = modules.facts
    if isinstance(event, Found):
        store.learn(facts.OutcomeFact(**event._asdict() | {"claim": facts.claim_ref(event.claim)}))
        return
    claim = facts.claim_ref(event.claim)
    fact = facts.ClaimFact(claim=claim, known_at=event.known_at, policy=event.policy)
    store.remember(fact, event.keys)


def answers(store: Any, asked: Sequence[Asked]) -> list[tuple[bytes, tuple[str, ...]]]:
    """What a store answers, to the last bit."""
    found = [store.history(claim_ref(one.claim), one.keys, one.as_of) for one in asked]
    return [(bits(one.values()), one.flags) for one in found]


def bits(values: Sequence[float]) -> bytes:
    """Numbers as they are in memory; every missing one alike."""
    return struct.pack(f"{len(values)}d", *(NAN if math.isnan(v) else v for v in values))


def oracle(history: History) -> list[tuple[bytes, tuple[str, ...]]]:
    """What a store has to answer."""
    found = [expected(history, one) for one in history.asked]
    return [(bits(values), flags) for values, flags in found]
