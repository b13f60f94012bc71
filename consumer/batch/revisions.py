"""A claim scored again: which alert the new one replaces. Pure.

Nothing is looked up: the sender of the repeated record knows which alert it is about, and says so
in the record's headers (`headers_after`). The worker copies them into the new alert. See the
decision record on revisions.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.alert import FraudAlert
from schemas.dead_letter import Header

REVISION_HEADER: Final = "scorer.revision"
"""Revision of the new alert, from 2."""
SUPERSEDES_HEADER: Final = "scorer.supersedes"
"""alert_id of the alert it replaces."""
PREVIOUS_HEADER: Final = "scorer.previous_probability"
"""fraud_probability of the alert it replaces; may be left out."""
MAX_REVISION: Final = 9_999
MAX_ALERT_ID: Final = 400
"""Characters: a topic name has at most 249; partition, offset and digest are short."""
MAX_DECIMAL: Final = 40
"""Characters: Python and Java write a double in at most 25."""
INVALID_FLAG: Final = "invalid_header:"
"""Prefix of the data-quality flag of an alert whose record had an invalid header."""


class Succession(NamedTuple):
    """The earlier alert that a record's headers refer to."""

    revision: int
    supersedes: str
    previous_probability: float | None = None


class HeaderError(ValueError):
    """A header of a claim scored again is missing or wrong; `args` holds its name."""


def succession_or_flag(
    headers: Sequence[Header], flags: tuple[str, ...]
) -> tuple[int, str | None, float | None, tuple[str, ...]]:
    """What an alert says about the one it replaces, and the data-quality flags of its record.

    Invalid headers do not prevent a claim from being scored: the alert stands alone, with the
    flag `INVALID_FLAG` and the header's name.

    Args:
        headers: of the record.
        flags: of the claim.

    Returns:
        Revision, alert_id and probability of the alert that is replaced, flags.
    """
    if not headers:
        return *_FIRST, flags
    try:
        found = succession(headers)
    except HeaderError as error:
        return *_FIRST, (*flags, f"{INVALID_FLAG}{error}")
    return *(_FIRST if found is None else found), flags


def succession(headers: Sequence[Header]) -> Succession | None:
    """The earlier alert that the headers refer to; None if there is none.

    If a header occurs twice, the last one counts.

    Raises:
        HeaderError: one occurs without the other, or is invalid.
    """
    given = {name: value for name, value in headers if name in _HEADERS}
    if not given:
        return None
    return Succession(
        _revision(_text(given.get(REVISION_HEADER))),
        _alert_id(_text(given.get(SUPERSEDES_HEADER))),
        _probability(_text(given[PREVIOUS_HEADER])) if PREVIOUS_HEADER in given else None,
    )


def headers_after(alert: FraudAlert) -> list[Header]:
    """The headers to send a claim with again, to replace this alert."""
    return [
        (REVISION_HEADER, str(alert.revision + 1).encode()),
        (SUPERSEDES_HEADER, alert.alert_id.encode()),
        (PREVIOUS_HEADER, repr(alert.fraud_probability).encode()),
    ]


_HEADERS: Final = frozenset({REVISION_HEADER, SUPERSEDES_HEADER, PREVIOUS_HEADER})
_FIRST: Final = (1, None, None)
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?([eE]-[0-9]{1,3})?")


def _text(value: str | bytes | None) -> str:
    """Printable ASCII, "" for anything else: that cannot be a revision or an alert_id."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value or ""
    return text if text.isascii() and text.isprintable() else ""


def _revision(text: str) -> int:
    number = int(text) if text.isdigit() and len(text) <= len(str(MAX_REVISION)) else 0
    if number < 2:
        raise HeaderError(REVISION_HEADER)
    return number


def _alert_id(text: str) -> str:
    if not 0 < len(text) <= MAX_ALERT_ID:
        raise HeaderError(SUPERSEDES_HEADER)
    return text


def _probability(text: str) -> float:
    """In a form that every language reads alike, and from 0 to 1."""
    if len(text) > MAX_DECIMAL or not _DECIMAL.fullmatch(text) or not 0 <= float(text) <= 1:
        raise HeaderError(PREVIOUS_HEADER)
    return float(text)
