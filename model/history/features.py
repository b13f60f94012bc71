"""The one function from what was known at a moment to the history features of a claim.

Training replays it, and serving will call it: there is no second way to compute a feature. It sees
facts that became known strictly before the moment, none older than `Bounds.days`, and nothing of
the claim itself. Whoever computes a feature differently has computed another feature.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from model.history.facts import DAY, ClaimRef
from model.history.past import Past, outcome
from model.history.plan import Bounds, EntityKind

WINDOWS: Final = (30, 90, 365)
"""Days over which claims are counted."""
COMMON: Final = "common_entity"
"""Start of the flag of a claim that names an entity which is taken for a placeholder."""
_WINDOWS: Final = tuple(days * DAY for days in WINDOWS)
_NAN: Final = float("nan")


class EntityFeatures(NamedTuple):
    """What was known of one entity, or of all entities of a kind that a claim names."""

    claims_30d: float = _NAN
    """Other claims in so many days; 0 for an entity that was never seen before."""
    claims_90d: float = _NAN
    claims_365d: float = _NAN
    policies: float = _NAN
    """On how many policies, among the latest claims."""
    days_since: float = _NAN
    """Since the latest claim; missing if there is none."""
    decided: float = _NAN
    """Claims of which the outcome was known."""
    frauds: float = _NAN
    """Of those, how many were found to be fraud."""
    fraud_rate: float = _NAN
    """The same as a share; missing if no outcome was known."""


MISSING: Final = EntityFeatures()
"""Of a claim that names no entity of the kind. It is not the same as having no history."""
SUFFIXES: Final = EntityFeatures._fields


class ClaimHistory(NamedTuple):
    """The history features of a claim."""

    kinds: tuple[EntityFeatures, ...]
    """In the order of the kinds."""
    flags: tuple[str, ...] = ()
    bounded: tuple[int, ...] = ()
    """Numbers of the kinds of which there are more claims than are looked at for their policies."""

    def values(self) -> list[float]:
        """All of them, in the order of `names_of`."""
        return [value for kind in self.kinds for value in kind]


def names_of(kinds: Iterable[EntityKind]) -> tuple[str, ...]:
    """Names of the features: each kind's, one after the other."""
    return tuple(feature_name(kind.kind, suffix) for kind in kinds for suffix in SUFFIXES)


def feature_name(kind: str, suffix: str) -> str:
    """The name of one feature of a kind."""
    return f"history_{kind}_{suffix}"


def claim_history(
    kinds: Sequence[EntityKind],
    named: Mapping[int, Sequence[Past | None]],
    claim: ClaimRef,
    as_of: int,
    bounds: Bounds,
) -> ClaimHistory:
    """The history features of a claim.

    Args:
        kinds: those of the contract.
        named: the pasts of the entities that the claim names, by the number of their kind; None for
            an entity that was never seen. A kind that it names no entity of is left out.
        claim: which it is: what is known of itself does not count.
        as_of: the moment, in milliseconds; what became known then or later is not seen.
        bounds: how much is looked at.
    """
    found, flags, bounded = [], [], []
    oldest = (as_of - bounds.span,)
    for number, kind in enumerate(kinds):
        known, pasts = [], named.get(number, ())
        for past in pasts:
            one = _NEVER_SEEN if past is None else entity_features(past, kind, claim, as_of, bounds)
            if one is not None:
                known.append(one)
        if len(known) < len(pasts):
            flags.append(f"{COMMON}:{kind.kind}")
        found.append(known[0] if len(known) == 1 else _together(known))
        if kind.like != "person" and any(
            past is not None and past.counts(oldest, as_of)[0] > bounds.business for past in pasts
        ):
            bounded.append(number)
    return ClaimHistory(tuple(found), tuple(flags), tuple(bounded))


def entity_features(
    past: Past, kind: EntityKind, claim: ClaimRef, as_of: int, bounds: Bounds
) -> EntityFeatures | None:
    """What was known of one entity; None if it is taken for a placeholder. See `claim_history`."""
    starts = _starts(as_of, bounds.span)
    oldest, counts = starts[0], past.counts(starts, as_of)
    own = past.own(claim)
    if own is not None and not oldest <= own.known_at < as_of:
        own = None
    if own is not None:
        counts = [
            count - (own.known_at >= start) for count, start in zip(counts, starts, strict=True)
        ]
    others = counts[0]
    if not others:
        return _NEVER_SEEN
    person = kind.like == "person"
    most = bounds.person if person else bounds.business
    if person and others >= most:
        return None
    policies, latest = past.recent(oldest, as_of, most, None if own is None else claim)
    if person and policies >= bounds.common:
        return None
    decided, frauds = past.outcomes(as_of)
    if own is not None:
        decided_itself, fraud_itself = outcome(own.known_at, own.findings, bounds.span, as_of)
        decided, frauds = decided - decided_itself, frauds - fraud_itself
    return EntityFeatures(
        float(counts[1]),
        float(counts[2]),
        float(counts[3]),
        float(policies),
        (as_of - latest) / DAY,
        float(decided),
        float(frauds),
        frauds / decided if decided else _NAN,
    )


@lru_cache(maxsize=1_024)
def _starts(as_of: int, span: int) -> tuple[int, ...]:
    """When what is seen begins, and each window."""
    oldest = as_of - span
    return oldest, *(max(oldest, as_of - window) for window in _WINDOWS)


_NEVER_SEEN: Final = EntityFeatures(0.0, 0.0, 0.0, 0.0, _NAN, 0.0, 0.0, _NAN)


def _together(found: Sequence[EntityFeatures]) -> EntityFeatures:
    """Of several entities of a kind, what says most: the shortest time, the largest of the rest."""
    if not found:
        return MISSING
    values = [[v for v in column if not math.isnan(v)] for column in zip(*found, strict=True)]
    return EntityFeatures(
        *(
            _NAN if not known else min(known) if suffix == "days_since" else max(known)
            for suffix, known in zip(SUFFIXES, values, strict=True)
        )
    )
