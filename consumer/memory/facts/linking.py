"""Earlier claims that name the same persons."""

from collections.abc import Iterator

from consumer.memory.facts.entries import CLAIM, key_of, known_at
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.state import StoreState
from consumer.memory.view import Asked, Link
from model.history.facts import ClaimRef
from model.history.past import outcome
from model.history.store import EntityKey


def links(layout: Layout, state: StoreState, asked: Asked, most: int) -> list[Link]:
    """Links of a claim; see `View`."""
    by_kind: dict[int, dict[ClaimRef, Link]] = {}
    for key in asked.keys:
        by_claim = by_kind.setdefault(key[0], {})
        for claim, link in _through(layout, state, key, asked):
            by_claim.setdefault(claim, link)
    return [
        link
        for kind in sorted(by_kind)
        for _, link in sorted(
            by_kind[kind].items(), key=lambda one: (one[1].known_at, one[0]), reverse=True
        )[:most]
    ]


def _through(
    layout: Layout, state: StoreState, key: EntityKey, asked: Asked
) -> Iterator[tuple[ClaimRef, Link]]:
    """Links through one entity."""
    kind, bounds, as_of = layout.kinds[key[0]], layout.bounds, asked.as_of
    if kind.like != "person":
        return
    if state.known(key, asked.claim, as_of).features is None:
        return
    name = key_of(key)
    for fact in state.latest(name, as_of, bounds.person + 1):
        claim, moment = fact[CLAIM], known_at(fact)
        if claim == asked.claim or moment < as_of - bounds.span:
            continue
        entry, follow = state.entry(claim), state.follows(claim)
        seen, fraud = outcome(moment, follow.findings, bounds.span, as_of)
        finding, amount = fraud if seen else None, follow.facts[name].amount
        yield claim, Link(key[0], entry.claim_id, moment, finding, amount)
