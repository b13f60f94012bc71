"""A claim scored again: which alert its new one replaces. Pure.

Nothing is looked up: the sender of the repeated record knows the alert it is about, and says so in
two headers of the record (`headers_after`). The worker copies them into the new alert. See the
decision record on revisions.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.alert import FraudAlert
from schemas.dead_letter import Header

REVISION_HEADER: Final = "scorer.revision"
"""Revision of the alert to be made, from 2."""
SUPERSEDES_HEADER: Final = "scorer.supersedes"
"""alert_id of the alert it replaces."""
MAX_REVISION: Final = 9_999
MAX_ALERT_ID: Final = 400
"""Characters: a topic name has at most 249; partition, offset and digest are short."""
INVALID_FLAG: Final = "invalid_header:"
"""Prefix of the data-quality flag of an alert whose record had an invalid header."""


class Succession(NamedTuple):
    """The earlier alert that a record's headers refer to."""

    revision: int
    supersedes: str


class HeaderError(ValueError):
    """A header of a claim scored again is missing or wrong; `args` is its name."""


def succession_or_flag(
    headers: Sequence[Header], flags: tuple[str, ...]
) -> tuple[int, str | None, tuple[str, ...]]:
    """Revision, alert that is replaced, and data-quality flags of the alert on a record.

    Invalid headers do not prevent a claim from being scored: the alert stands alone, with the
    flag `INVALID_FLAG` and the header's name.

    Args:
        headers: of the record.
        flags: of the claim.
    """
    if not headers:
        return 1, None, flags
    try:
        found = succession(headers)
    except HeaderError as error:
        return 1, None, (*flags, f"{INVALID_FLAG}{error}")
    return (1, None, flags) if found is None else (*found, flags)


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
    )


def headers_after(alert: FraudAlert) -> list[Header]:
    """The headers with which a claim is sent again to replace this alert."""
    return [
        (REVISION_HEADER, str(alert.revision + 1).encode()),
        (SUPERSEDES_HEADER, alert.alert_id.encode()),
    ]


_HEADERS: Final = frozenset({REVISION_HEADER, SUPERSEDES_HEADER})


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
