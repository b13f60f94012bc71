"""What is remembered: facts with the time at which each became known.

A set of facts has no order and no repetition: any two stores that were given the same facts, in
whatever order and however often, hold the same. Times are milliseconds since 1970 in UTC.
"""

import hashlib
from typing import Final

from msgspec import Struct

ClaimRef = bytes
"""Stands for a claim: a digest of its id, 16 bytes. Facts of one moment are in the order of it,
which is the same in every store."""
DAY: Final = 86_400_000
"""Milliseconds."""
_EPOCH: Final = 719_163
"""Ordinal of 1970-01-01."""


class ClaimFact(Struct, frozen=True, gc=False, kw_only=True):
    """That a claim was made: the same for every entity that it names."""

    claim: ClaimRef
    known_at: int
    """When it came in."""
    policy: bytes | None = None
    """Keyed hash of what it is made under."""
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
    """What stands for the claim of an id."""
    return hashlib.blake2b(claim_id.encode(), digest_size=16, person=b"claim").digest()


def at_start_of(day: int) -> int:
    """The time at which a day begins, of its ordinal."""
    return (day - _EPOCH) * DAY


def start_of_day(moment: int) -> int:
    """The time at which the day of a moment begins, in UTC: what a history in days sees."""
    return moment - moment % DAY


def first_of(one: ClaimFact, other: ClaimFact) -> ClaimFact:
    """The fact that counts of two about one claim: the earlier.

    Of two that came in at the same time, the choice depends on their content only.
    """
    return min(one, other, key=_rank)


def _rank(fact: ClaimFact) -> tuple[int, bytes, int, float]:
    policy = b"" if fact.policy is None else fact.policy
    day = -1 if fact.day is None else fact.day
    amount = -1.0 if fact.amount is None else fact.amount
    return (fact.known_at, policy, day, amount)


def in_order(findings: frozenset[OutcomeFact]) -> tuple[OutcomeFact, ...]:
    """Findings on one claim, the latest last.

    Of two at the same time, the one that clears the claim counts: a doubt is no finding of fraud.
    """
    return tuple(sorted(findings, key=lambda finding: (finding.known_at, not finding.fraud)))
