"""What is remembered: facts, each with the time at which it became known.

A set of facts has no order and no duplicates: two stores given the same facts, in whatever order
and however often, hold the same. Times are milliseconds since 1970 in UTC.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

ClaimRef = bytes
"""Identifies a claim: a 16-byte digest of its id. Facts of the same moment are ordered by it, which
gives the same order in every store."""
DAY: Final = 86_400_000
"""Milliseconds."""
_Key = TypeVar("_Key", bound=Any)
EVER: Final = -(1 << 62)
"""Before any moment."""
_EPOCH: Final = 719_163
"""Ordinal of 1970-01-01."""
_copy: Final = hashlib.blake2b(digest_size=16, person=b"claim").copy


class ClaimFact(Struct, frozen=True, gc=False, kw_only=True):
    """A claim was made: the same fact for every entity that it names."""

    claim: ClaimRef
    known_at: int
    """When it came in."""
    policy: bytes | None = None
    """Keyed hash of the policy it is made under."""
    day: int | None = None
    """Ordinal of the day of the loss."""
    amount: float | None = None


class OutcomeFact(Struct, frozen=True, gc=False, kw_only=True):
    """What an investigation found about a claim."""

    claim: ClaimRef
    known_at: int
    """When it was found; not when the claim came in."""
    fraud: bool


def claim_ref(claim_id: str) -> ClaimRef:
    """The reference of the claim with this id."""
    digest = _copy()
    digest.update(claim_id.encode())
    return digest.digest()


def at_start_of(day: int) -> int:
    """The time at which the day with this ordinal begins."""
    return (day - _EPOCH) * DAY


def start_of_day(moment: int) -> int:
    """The start of a moment's day, in UTC: all that a history in days sees of the moment."""
    return moment - moment % DAY


def first_of(one: ClaimFact, other: ClaimFact) -> ClaimFact:
    """Of two facts about one claim, the one that counts: the earlier.

    If both came in at the same time, the choice depends on their content only.
    """
    return min(one, other, key=_rank)


def _rank(fact: ClaimFact) -> tuple[int, bytes, int, float, bool]:
    policy = b"" if fact.policy is None else fact.policy
    day = -1 if fact.day is None else fact.day
    amount = -1.0 if fact.amount is None else fact.amount
    return (fact.known_at, policy, day, amount, fact.amount is not None)


def counting(named: Mapping[_Key, ClaimFact], most: int) -> Mapping[_Key, ClaimFact]:
    """The entities that count among those a claim names: the first ones named, up to a limit.

    Which of them counted at a moment follows from what was known then: what comes later is named
    later.

    Args:
        named: the facts that count, by entity.
        most: see `Bounds.names`.
    """
    if len(named) <= most:
        return named
    first = sorted(named, key=lambda key: (named[key].known_at, key))
    return {key: named[key] for key in first[:most]}


def changes(first: Callable[[bool, int], int | None], most: int) -> list[tuple[int, bool]]:
    """When the finding on a claim changed, and to what: the first changes, up to a limit.

    A finding that repeats the one before it changes nothing. Of two at the same time, the one that
    clears the claim counts as the later: when in doubt, it is not fraud. However many findings
    there are, each change takes one search.

    Args:
        first: the first moment, from a given one on, at which fraud was found or ruled out.
        most: see `Bounds.findings`.
    """
    fraud_at, cleared_at = first(True, EVER), first(False, EVER)
    fraud = fraud_at is not None and (cleared_at is None or fraud_at <= cleared_at)
    moment = fraud_at if fraud else cleared_at
    found: list[tuple[int, bool]] = []
    while moment is not None and len(found) < most:
        found.append((moment, fraud))
        moment = first(not fraud, moment if fraud else moment + 1)
        fraud = not fraud
    return found


def changes_in(cleared: Sequence[int], frauds: Sequence[int], most: int) -> list[tuple[int, bool]]:
    """The same, from the sorted moments at which a claim was cleared and fraud was found."""

    def first(fraud: bool, moment: int) -> int | None:
        moments = frauds if fraud else cleared
        place = bisect_left(moments, moment)
        return moments[place] if place < len(moments) else None

    return changes(first, most)
