"""Earlier claims that name the same people."""

from collections.abc import Iterator

from consumer.memory.facts.entries import CLAIM, KeyBytes, key_of, known_at
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.state import StoreState
from consumer.memory.view import Asked, Link
from model.history.facts import ClaimRef
from model.history.past import outcome
from model.history.store import EntityKey


def links(layout: Layout, state: StoreState, asked: Asked, most: int) -> list[Link]:
    """Links of a claim; see `View`.

    Only claims that become links are read: an entity may be in hundreds, and their sender decides
    how much each of them names.
    """
    by_kind: dict[int, dict[ClaimRef, tuple[int, KeyBytes]]] = {}
    for key in asked.keys:
        latest = by_kind.setdefault(key[0], {})
        for claim, moment in _latest(layout, state, key, asked, most):
            if claim not in latest or moment > latest[claim][0]:
                latest[claim] = moment, key_of(key)
    return [
        _link(layout, state, kind, claim, asked.as_of, *through)
        for kind in sorted(by_kind)
        for claim, through in sorted(
            by_kind[kind].items(), key=lambda one: (one[1][0], one[0]), reverse=True
        )[:most]
    ]


def _latest(
    layout: Layout, state: StoreState, key: EntityKey, asked: Asked, most: int
) -> Iterator[tuple[ClaimRef, int]]:
    """The latest other claims that name one entity, and when each came in."""
    bounds, as_of = layout.bounds, asked.as_of
    if layout.kinds[key[0]].like != "person":
        return
    if state.is_common(key, asked.claim, as_of):
        return
    for fact in state.latest(key_of(key), as_of, most + 1):
        claim, moment = fact[CLAIM], known_at(fact)
        if claim != asked.claim and moment >= as_of - bounds.span:
            yield claim, moment


def _link(
    layout: Layout,
    state: StoreState,
    kind: int,
    claim: ClaimRef,
    as_of: int,
    moment: int,
    name: KeyBytes,
) -> Link:
    entry, follow = state.entry(claim), state.follows(claim)
    seen, fraud = outcome(moment, follow.findings, layout.bounds.span, as_of)
    finding = fraud if seen else None
    return Link(kind, entry.claim_id, moment, finding, follow.facts[name].amount)
