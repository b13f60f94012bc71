"""Turns a record's bytes into an outcome, or into why it is not one; and when it counts. Pure."""

import datetime as dt
from typing import Final, Protocol

import msgspec

from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError, parse
from schemas.outcome import FraudOutcome

CLOCKS_DIFFER: Final = dt.timedelta(days=1)
"""Also covers local times that were published as UTC."""

_outcomes: Final = msgspec.json.Decoder(FraudOutcome)


class HasTimestamp(Protocol):
    """The timestamp of a consumed record: its type, and milliseconds since 1970."""

    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


def read_outcome(value: bytes | None) -> FraudOutcome:
    """Read one outcome.

    Raises:
        RefusedError: with the reason and the JSON path of the fault.
    """
    if not value:
        raise RefusedError(Reason.EMPTY, "the record has no value")
    outcome: FraudOutcome = parse(_outcomes, value, "$")
    return outcome


def credible(decided_at: dt.datetime, published: dt.datetime) -> dt.datetime | None:
    """The time of a decision; None if its record was published before it.

    Args:
        decided_at: the time stated in the outcome.
        published: when its record was published; clocks may differ by `CLOCKS_DIFFER`.
    """
    return decided_at if decided_at - published <= CLOCKS_DIFFER else None


def published_at(message: HasTimestamp, now: dt.datetime) -> dt.datetime:
    """The time a record was published if it is plausible, else now."""
    _, stated_ms = message.timestamp()
    ms = min(stated_ms, int(now.timestamp() * 1_000))
    return dt.datetime.fromtimestamp(ms / 1_000, dt.UTC) if ms > 0 else now
