"""The one function from what was known at a moment to the history features of a claim.

Training replays it, and serving will call it: there is no second way to compute a feature. It sees
facts that became known strictly before the moment, none older than `Bounds.days`, and nothing of
the claim itself. Whoever computes a feature differently has computed another feature.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from model.history.facts import DAY
from model.history.past import NO_FINDINGS, EntityPast, outcome
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
    named: Mapping[int, Sequence[EntityPast | None]],
    claim: str,
    as_of: int,
    bounds: Bounds,
) -> ClaimHistory:
    """The history features of a claim.

    Args:
        kinds: those of the contract.
        named: the pasts of the entities that the claim names, by the number of their kind; None for
            an entity that was never seen. A kind that it names no entity of is left out.
        claim: its id: what is known of itself does not count.
        as_of: the moment, in milliseconds; what became known then or later is not seen.
        bounds: how much is looked at.
    """
    found, flags = [], []
    for number, kind in enumerate(kinds):
        pasts = named.get(number, ())
        each = [entity_features(past, kind, claim, as_of, bounds) for past in pasts]
        known = [one for one in each if one is not None]
        if len(known) < len(each):
            flags.append(f"{COMMON}:{kind.kind}")
        found.append(_together(known))
    return ClaimHistory(tuple(found), tuple(flags))


def entity_features(
    past: EntityPast | None, kind: EntityKind, claim: str, as_of: int, bounds: Bounds
) -> EntityFeatures | None:
    """What was known of one entity; None if it is taken for a placeholder. See `claim_history`."""
    if past is None:
        return _NEVER_SEEN
    known = past.known
    start, end = bisect_left(known, as_of - bounds.span), bisect_left(known, as_of)
    counts = [end - max(start, bisect_left(known, as_of - window)) for window in _WINDOWS]
    decided = frauds = 0
    if past.findings:
        decided, frauds = past.decided.before(as_of), past.frauds.before(as_of)
    most = bounds.person if kind.like == "person" else bounds.business
    own = past.facts.get(claim)
    if own is None or not as_of - bounds.span <= own.known_at < as_of:
        policies = past.policies[max(start, end - most) : end]
        latest = known[end - 1] if end > start else None
    else:
        counts = [
            count - (own.known_at >= as_of - window)
            for count, window in zip(counts, _WINDOWS, strict=True)
        ]
        findings = past.findings.get(claim, NO_FINDINGS)
        itself = outcome(own.known_at, findings, bounds.span, as_of)
        decided, frauds = decided - itself[0], frauds - itself[1]
        others = [n for n in range(max(start, end - most - 1), end) if past.claims[n] != claim]
        policies = [past.policies[n] for n in others[-most:]]
        latest = known[others[-1]] if others else None
    different = {*policies}
    different.discard(None)
    if kind.like == "person" and len(different) >= bounds.common:
        return None
    return EntityFeatures(
        float(counts[0]),
        float(counts[1]),
        float(counts[2]),
        float(len(different)),
        _NAN if latest is None else (as_of - latest) / DAY,
        float(decided),
        float(frauds),
        frauds / decided if decided else _NAN,
    )


_NEVER_SEEN: Final = EntityFeatures(0.0, 0.0, 0.0, 0.0, _NAN, 0.0, 0.0, _NAN)


def _together(found: Sequence[EntityFeatures]) -> EntityFeatures:
    """Of several entities of a kind, what says most: the shortest time, the largest of the rest."""
    if not found:
        return MISSING
    if len(found) == 1:
        return found[0]
    values = [[v for v in column if not math.isnan(v)] for column in zip(*found, strict=True)]
    return EntityFeatures(
        *(
            _NAN if not known else min(known) if suffix == "days_since" else max(known)
            for suffix, known in zip(SUFFIXES, values, strict=True)
        )
    )
