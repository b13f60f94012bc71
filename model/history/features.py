"""The one function that computes a claim's history features from what was known at a moment: of
each entity that it names, and of all of them.

Training replays it, and serving calls it: there is no second way to compute a feature. It sees
only facts that became known strictly before the moment, none older than `Bounds.days`, and nothing
of the claim itself. A feature computed in any other way is a different feature.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Final, NamedTuple

from model.history.facts import DAY
from model.history.past import Own, Past, outcome
from model.history.plan import Bounds, EntityKind

WINDOWS: Final = (30, 90, 365)
"""Days over which claims are counted."""
COMMON: Final = "common_entity"
"""Prefix of the flag of a claim that names an entity taken for a placeholder."""
_WINDOWS: Final = tuple(days * DAY for days in WINDOWS)
_NAN: Final = float("nan")


class EntityFeatures(NamedTuple):
    """What was known of one entity, or of all entities of a kind that a claim names."""

    claims_30d: float = _NAN
    """Other claims in that many days; 0 for an entity never seen before."""
    claims_90d: float = _NAN
    claims_365d: float = _NAN
    policies: float = _NAN
    """Number of different policies among the latest claims."""
    days_since: float = _NAN
    """Since the latest claim; missing if there is none."""
    decided: float = _NAN
    """Claims whose outcome was known."""
    frauds: float = _NAN
    """Of those, how many were found to be fraud."""
    fraud_rate: float = _NAN
    """The same as a share; missing if no outcome was known."""


# A NamedTuple is made by a function in Python; this is its equivalent in C.
_features: Final = partial(tuple.__new__, EntityFeatures)
MISSING: Final = EntityFeatures()
"""For a claim that names no entity of the kind, which is not the same as having no history."""
SUFFIXES: Final = EntityFeatures._fields


class ClaimHistory(NamedTuple):
    """The history features of a claim."""

    kinds: tuple[EntityFeatures, ...]
    """In the order of the kinds."""
    flags: tuple[str, ...] = ()
    bounded: tuple[int, ...] = ()
    """Numbers of the kinds with more claims than are looked at for their policies."""

    def values(self) -> list[float]:
        """All of them, in the order of `names_of`."""
        return [value for kind in self.kinds for value in kind]


def names_of(kinds: Iterable[EntityKind]) -> tuple[str, ...]:
    """Names of the features: each kind's, one after the other."""
    return tuple(feature_name(kind.kind, suffix) for kind in kinds for suffix in SUFFIXES)


def feature_name(kind: str, suffix: str) -> str:
    """The name of one feature of a kind."""
    return f"history_{kind}_{suffix}"


class Within(NamedTuple):
    """The entity and window of a feature that counts claims over some days."""

    entity: str
    """The feature's name without the days."""
    days: int


@lru_cache(maxsize=1_024)
def window_of(name: str) -> Within | None:
    """The window of a feature; None if it counts over none."""
    for days in WINDOWS:
        suffix = f"_claims_{days}d"
        if name.startswith("history_") and name.endswith(suffix):
            return Within(name.removesuffix(suffix), days)
    return None


class KnownEntity(NamedTuple):
    """What a claim sees of one entity's past."""

    features: EntityFeatures | None
    """None if the entity is taken for a placeholder."""
    bounded: bool = False
    """There are more claims than are looked at for their policies."""


_known: Final = partial(tuple.__new__, KnownEntity)
_history: Final = partial(tuple.__new__, ClaimHistory)


def claim_history(
    kinds: Sequence[EntityKind], named: Iterable[tuple[int, KnownEntity]]
) -> ClaimHistory:
    """The history features of a claim.

    Args:
        kinds: those of the contract.
        named: what is known of the entities that the claim names, with the number of their kind;
            see `entity_features`.
    """
    found = [MISSING] * len(kinds)
    common: list[int] = []
    bounded: list[int] = []
    for number, (features, more) in named:
        if features is None:
            common.append(number)
        elif found[number] is MISSING:
            found[number] = features
        else:
            found[number] = _together(found[number], features)
        if more:
            bounded.append(number)
    flags = [f"{COMMON}:{kinds[number].kind}" for number in sorted({*common})] if common else ()
    return _history((tuple(found), tuple(flags), tuple(sorted({*bounded}))))


def entity_features(
    past: Past | None, kind: EntityKind, own: Own | None, as_of: int, bounds: Bounds
) -> KnownEntity:
    """What was known of one entity.

    Args:
        past: of the entity; None if it was never seen.
        kind: of the entity.
        own: what the past holds about the asking claim, which does not count: `Past.own`.
        as_of: the moment, in milliseconds; what became known then or later is not seen.
        bounds: how much is looked at.
    """
    found = _found(past, kind, own, as_of, bounds)
    if isinstance(found, KnownEntity):
        return found
    assert past is not None
    own, counts, policies, latest, more = found
    decided, frauds = past.outcomes(as_of)
    if own is not None:
        decided_itself, fraud_itself = outcome(own.known_at, own.findings, bounds.span, as_of)
        decided, frauds = decided - decided_itself, frauds - fraud_itself
    features = _features(
        (
            float(counts[1]),
            float(counts[2]),
            float(counts[3]),
            float(policies),
            (as_of - latest) / DAY,
            float(decided),
            float(frauds),
            frauds / decided if decided else _NAN,
        )
    )
    return _known((features, more))


def is_common(
    past: Past | None, kind: EntityKind, own: Own | None, as_of: int, bounds: Bounds
) -> bool:
    """Whether an entity is taken for a placeholder, without reading the findings on its claims.

    Reading them costs more; see `entity_features`.
    """
    return _found(past, kind, own, as_of, bounds) is _COMMON


class _Found(NamedTuple):
    """What is known of an entity's claims, apart from the findings on them."""

    own: Own | None
    """Of the asking claim, if it is among those counted."""
    counts: Sequence[int]
    """Number of other claims seen, and of those in each window."""
    policies: int
    latest: int
    more: bool
    """Whether there are more claims than are looked at for their policies."""


def _found(
    past: Past | None, kind: EntityKind, own: Own | None, as_of: int, bounds: Bounds
) -> "_Found | KnownEntity":
    if past is None:
        return NEVER_SEEN
    starts = _starts(as_of, bounds.span)
    oldest, counts = starts[0], past.counts(starts, as_of)
    if own is not None and not oldest <= own.known_at < as_of:
        own = None
    if own is not None:
        counts = [
            count - (own.known_at >= start) for count, start in zip(counts, starts, strict=True)
        ]
    others = counts[0]
    if not others:
        return NEVER_SEEN
    person, most = kind.like == "person", bounds.most(kind.like)
    if person and others >= most:
        return _COMMON
    policies, latest = past.recent(oldest, as_of, most, None if own is None else own.claim)
    if person and policies >= bounds.common:
        return _COMMON
    return _new_found((own, counts, policies, latest, others > most))


@lru_cache(maxsize=1_024)
def _starts(as_of: int, span: int) -> tuple[int, ...]:
    """Starts of the span that is seen, and of each window."""
    oldest = as_of - span
    return oldest, *(max(oldest, as_of - window) for window in _WINDOWS)


_new_found: Final = partial(tuple.__new__, _Found)
NEVER_SEEN: Final = KnownEntity(EntityFeatures(0.0, 0.0, 0.0, 0.0, _NAN, 0.0, 0.0, _NAN))
_COMMON: Final = KnownEntity(None)


def _together(one: EntityFeatures, other: EntityFeatures) -> EntityFeatures:
    """Two entities of a kind as one: the shorter time, and the larger of every other value."""
    found = []
    for suffix, values in zip(SUFFIXES, zip(one, other, strict=True), strict=True):
        known = [value for value in values if not math.isnan(value)] or [_NAN]
        found.append(min(known) if suffix == "days_since" else max(known))
    return EntityFeatures(*found)
