"""What no claim of the latest day in the log, or a later one, sees any more. Pure.

A claim counts from the first record that names someone, so all its records go, or none: without the
first, it would count from a later one. Findings on it go with it, not before: one that only repeats
an earlier one would count without that. Findings on a claim that never came in go when all of them
are old.
"""

from collections.abc import Callable, Iterable
from typing import Final

from consumer.history.access.gather import Gathered
from consumer.history.access.scan import LogRecord
from model.history.facts import DAY, ClaimRef, claim_ref, start_of_day
from schemas.memory import RememberedClaim

ReadLog = Callable[[], Iterable[LogRecord]]
"""Reads the same records each time."""
NOTHING_KNOWN: Final = 0


def oldest_kept(records: Iterable[LogRecord], days: int, now: int) -> int:
    """The start of the day before which nothing is seen any more, in milliseconds since 1970.

    It follows from when the latest claim came in, not from a clock: a log that nothing is written
    to stays as it is.

    Args:
        records: of the log.
        days: for how long a fact is seen.
        now: milliseconds since 1970; a claim that came in later does not count.
    """
    latest = max(
        (
            record.told.fact.known_at
            for record in records
            if isinstance(record.told.fact, RememberedClaim) and record.told.fact.known_at <= now
        ),
        default=NOTHING_KNOWN,
    )
    return start_of_day(latest) - days * DAY


def outdated(read: ReadLog, oldest: int) -> Gathered:
    """The records that can go; the log is read three times, so that only these are held.

    Args:
        read: the log.
        oldest: see `oldest_kept`.
    """
    claims: set[ClaimRef] = set()
    findings: set[ClaimRef] = set()
    for record in read():
        if _is_before(record, oldest):
            (claims if _is_claim(record) else findings).add(_ref(record))
    for record in read():
        if not _is_before(record, oldest):
            findings.discard(_ref(record))
            if _is_claim(record):
                claims.discard(_ref(record))
    found = Gathered()
    for record in read():
        if _ref(record) in claims or _ref(record) in findings or found.has(record):
            found.add(record)
    return found


def _ref(record: LogRecord) -> ClaimRef:
    return claim_ref(record.told.key.claim_id)


def _is_claim(record: LogRecord) -> bool:
    return isinstance(record.told.fact, RememberedClaim)


def _is_before(record: LogRecord, oldest: int) -> bool:
    fact = record.told.fact
    return fact is not None and start_of_day(fact.known_at) < oldest
