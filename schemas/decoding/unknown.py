"""Fields of events that their contract does not know."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from schemas.contract.model import Contract
from schemas.contract.places import places_of
from schemas.decoding.members import members_of

MOST_NAMES: Final = 20
"""Named for one event; a sender may add any number."""
LONGEST_NAME: Final = 64

Known = Mapping[str, "Known"]
"""Members of an object that are known, and what is known in them; values have nothing in them."""


class UnknownFields(enum.StrEnum):
    """What happens to an event with fields that the contract does not know."""

    IGNORE = "ignore"
    FLAG = "flag"
    """Its alert names them."""
    REFUSE = "refuse"
    """It becomes a dead letter that names the first."""


def known_fields(contract: Contract) -> Known:
    """Everything that the contract reads from an event, and what only training reads: the label and
    when it was decided.
    """
    root: dict[str, Any] = {}
    paths = [path for field in contract.fields.values() for path in places_of(field)]
    for path in (*paths, contract.label_path, contract.decided_path):
        branch = root
        for name in path:
            branch = branch.setdefault(name, {})
    return root


def unknown_fields(value: bytes, known: Known) -> tuple[str, ...]:
    """Names of the first members of an event that are unknown, as far as they fit a flag.

    Args:
        value: the event as JSON that was decoded to a claim; what is inside unknown members is
            not looked at.
        known: see `known_fields`.
    """
    return tuple(islice(_unknown(msgspec.Raw(value), known, ""), MOST_NAMES))


def flagged(
    flags: Sequence[tuple[str, ...]], unknown: Sequence[tuple[str, ...]]
) -> Sequence[tuple[str, ...]]:
    """Flags of claims, with ``unknown_field:NAME`` for each name in its event that is unknown."""
    if not any(unknown):
        return flags
    return [
        (*own, *(f"unknown_field:{name}" for name in names)) if names else own
        for own, names in zip(flags, unknown, strict=True)
    ]


def _unknown(value: msgspec.Raw, known: Known, above: str) -> Iterator[str]:
    for name, below in members_of(value).items():
        if name not in known:
            yield shown(f"{above}{name}")
        elif known[name]:
            yield from _unknown(below, known[name], f"{above}{name}.")


def shown(name: str) -> str:
    """A name that a sender chose, printable and no longer than fits a flag."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:LONGEST_NAME]
