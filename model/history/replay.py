"""History features of past claims, each as of the moment at which it came in.

The same function as in service, over a store that is given each fact when it became known. A
claim's history is asked for before anything else of the same or a later moment is in the store.
"""

from collections.abc import Sequence
from typing import NamedTuple

from model.history.facts import ClaimFact, OutcomeFact
from model.history.features import ClaimHistory
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore, EntityKey


class Incoming(NamedTuple):
    """A claim that came in."""

    fact: ClaimFact
    keys: tuple[EntityKey, ...]


def replay(
    kinds: Sequence[EntityKind],
    bounds: Bounds,
    claims: Sequence[Incoming],
    outcomes: Sequence[OutcomeFact],
) -> list[ClaimHistory]:
    """The history features of each claim, in the order given, which may be any."""
    store = DictStore(kinds, bounds)
    found: list[ClaimHistory | None] = [None] * len(claims)
    order = sorted(range(len(claims)), key=lambda row: claims[row].fact.known_at)
    coming = sorted(outcomes, key=lambda outcome: outcome.known_at)
    learnt = taken = 0
    for place, row in enumerate(order):
        fact, keys = claims[row]
        while learnt < len(coming) and coming[learnt].known_at < fact.known_at:
            store.learn(coming[learnt])
            learnt += 1
        while taken < place and claims[order[taken]].fact.known_at < fact.known_at:
            store.remember(*claims[order[taken]])
            taken += 1
        found[row] = store.history(fact.claim, keys, fact.known_at)
    return [one for one in found if one is not None]


def as_of_later(
    kinds: Sequence[EntityKind],
    bounds: Bounds,
    claims: Sequence[Incoming],
    outcomes: Sequence[OutcomeFact],
    rows: Sequence[int],
    later: int,
) -> list[ClaimHistory]:
    """The same for some rows, asked this many milliseconds after they came in."""
    store = DictStore(kinds, bounds)
    for claim in claims:
        store.remember(*claim)
    for outcome in outcomes:
        store.learn(outcome)
    return [
        store.history(fact.claim, keys, fact.known_at + later)
        for fact, keys in (claims[row] for row in rows)
    ]
