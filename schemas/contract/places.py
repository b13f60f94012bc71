"""Where values are found: names, and JSON Pointers into a nested event (RFC 6901)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.contract.model import Field, MemberPath

MAX_SEGMENTS: Final = 8
_UNNAMED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f]')
_ESCAPE: Final = re.compile("~(?![01])")


class PlaceError(ValueError):
    """A place cannot be used; the message says why."""


def path_of(place: str) -> MemberPath:
    """The names that lead to a place: one, or those of a pointer.

    Raises:
        PlaceError: it is no pointer, or leads too deep.
    """
    if _UNNAMED.search(place):
        raise PlaceError(f"{place!r} contains a quotation mark, a backslash or a control character")
    if not place.startswith("/"):
        return (place,)
    if _ESCAPE.search(place):
        raise PlaceError(f"{place} is not a JSON Pointer: ~ is written ~0, and / in a name ~1")
    parts = tuple(p.replace("~1", "/").replace("~0", "~") for p in place[1:].split("/"))
    if len(parts) > MAX_SEGMENTS:
        raise PlaceError(f"{place} leads more than {MAX_SEGMENTS} deep")
    if "" in parts:
        raise PlaceError(f"{place} has a name that is empty")
    return parts


def json_path(path: MemberPath) -> str:
    """A place as JSON paths are written in refusals."""
    return ".".join(("$", *path))


def places_of(field: Field) -> Iterator[MemberPath]:
    """Every place that a field is read from, of whatever part of it."""
    yield from field.places
    if field.reading is None:
        return
    week = field.reading.week_date
    if week is not None:
        yield from (path_of(p) for p in (week.month, week.week, week.weekday))
        if week.year is not None:
            yield path_of(week.year)
    yield from map(path_of, field.reading.missing_when)


def within(fields: Mapping[str, Field]) -> Iterator[tuple[MemberPath, MemberPath]]:
    """Pairs of places of which the first lies inside the second: one of them cannot be."""
    known = {path for field in fields.values() for path in places_of(field)}
    for path in sorted(known):
        for length in range(1, len(path)):
            if path[:length] in known:
                yield path, path[:length]
