"""The fields of a draft, and what they are of the event; and columns that cannot be fields."""

import keyword
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.claim import Role
from schemas.contract.declared import NameOrPointer
from schemas.contract.places import PlaceError, path_of
from schemas.decoding.rows import ColumnError, ColumnNames
from schemas.drafting import roles
from schemas.drafting.codes import names_claims, words_of
from schemas.drafting.columns import OBJECT, ColumnProfile, Sample
from schemas.drafting.kinds import DATED, MOSTLY, Guess, as_texts, guess
from schemas.drafting.signs import signs
from schemas.expressions.grammar import RESERVED
from schemas.tables.rows import TableError

CLAIM_ID: Final = ("claim", "id")
_UNNAMED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f]')


class DraftField(NamedTuple):
    """A field that was drafted."""

    name: str
    column: ColumnProfile
    place: str
    """Where a contract finds the column."""
    guess: Guess
    role: roles.RoleGuess
    remarks: tuple[str, ...]


class LeftOut(NamedTuple):
    """A column that is no field."""

    name: str
    why: str


class DraftEvent(NamedTuple):
    """What the fields are of the event."""

    parts: Mapping[str, str]
    """Fields by the members of ``x-event``."""
    is_numbered: bool
    """The id is the number of the row, and no column."""
    doubt: str = ""
    """About the id; "" for none."""


class ColumnPlace(NamedTuple):
    """Where a contract finds a column, or why it cannot."""

    text: str
    why: str = ""


def fields_of(
    columns: Sequence[ColumnProfile],
    places: Mapping[int, ColumnPlace],
    fraud: Sequence[bool | None],
) -> tuple[list[DraftField], list[LeftOut]]:
    """The fields that columns become, and the columns that cannot be fields.

    Args:
        columns: all but that of the label.
        places: by the numbers of the columns, see `placed`.
        fraud: the label of each row.
    """
    taken: set[str] = set()
    fields: list[DraftField] = []
    left_out: list[LeftOut] = []
    for column in columns:
        place = places.get(column.number)
        if place is None:
            continue
        kind = guess(column)
        if why := place.why or _unfit(column, kind):
            left_out.append(LeftOut(column.name, why))
            continue
        name = _name(column.name, taken)
        taken.add(name)
        role = roles.role_of(column, kind)
        if role.role is Role.IDENTIFIER or (role.entity and kind.kind != "text"):
            missing = {key: value for key, value in kind.reading.items() if key == "missing"}
            kind = kind._replace(kind="text", reading=as_texts(column) | missing)
        remarks = (*kind.doubts, *role.doubts, *signs(column, fraud))
        fields.append(DraftField(name, column, place.text, kind, role, remarks))
    return fields, left_out


def _name(column: str, taken: set[str]) -> str:
    plain = "_".join(w for w in words_of(column) if w.isascii()) or "field"
    plain = (plain if plain[0].isalpha() else f"field_{plain}")[:50]
    if keyword.iskeyword(plain) or plain in RESERVED:
        plain += "_"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name


def placed(sample: Sample) -> dict[int, ColumnPlace]:
    """The places of the columns, by their numbers; none of members that are always objects."""
    names = None if sample.header is None else ColumnNames(sample.header)
    clashes = {} if names is not None else _clashes(sample.columns)
    found = {}
    for column in sample.columns:
        if column.number not in clashes:
            found[column.number] = _place(column, sample, names)
        elif why := clashes[column.number]:
            found[column.number] = ColumnPlace("", why)
    return found if names is None else _apart(sample.columns, found)


def _apart(
    columns: Sequence[ColumnProfile], found: Mapping[int, ColumnPlace]
) -> dict[int, ColumnPlace]:
    """Places of a table of which none leads into another, as /a/b into a: such are names alone."""
    paths = {number: path_of(place.text) for number, place in found.items() if not place.why}
    known = set(paths.values())
    inside = {n for n, path in paths.items() if any(path[:k] in known for k in range(1, len(path)))}
    names = {c.number: ColumnPlace(_as_step(c.name)) for c in columns if c.number in inside}
    return {**found, **names}


def _place(column: ColumnProfile, sample: Sample, names: ColumnNames | None) -> ColumnPlace:
    for text in _spellings(column.name, is_cell=names is not None):
        try:
            path = path_of(msgspec.convert(text, NameOrPointer))
            if names is None or names.find(path) == column.number:
                return ColumnPlace(text)
        except (msgspec.ValidationError, PlaceError, ColumnError):
            continue
    return ColumnPlace("", _unplaced(column.name, sample))


def _spellings(name: str, *, is_cell: bool) -> Iterator[str]:
    """Places that may lead to a column. Those of tables also match by letters and digits alone."""
    yield name
    if is_cell:
        yield _as_step(name)
        yield " ".join(_UNNAMED.sub(" ", name).split())


def _as_step(name: str) -> str:
    """A pointer to a member of that name, whatever is in it."""
    return f"/{name.replace('~', '~0').replace('/', '~1')}"


def _unplaced(name: str, sample: Sample) -> str:
    same = (sample.header or ()).count(name)
    if same > 1:
        return f"{same} columns are called this: give each a name of its own"
    try:
        path_of(msgspec.convert(name, NameOrPointer))
    except msgspec.ValidationError:
        return "its name is longer than 300 characters: shorten it" if name else "it has no name"
    except PlaceError as error:
        return f"{error}: give it another name"
    return "other columns have the same letters and digits: give it another name"


def _clashes(columns: Sequence[ColumnProfile]) -> dict[int, str]:
    """Why members cannot be fields that are a value in some rows and an object in others.

    "" for those that are objects in all rows but some without them: their members are the fields.
    """
    at = {_steps(column.name): column for column in columns}
    within: defaultdict[tuple[str, ...], list[ColumnProfile]] = defaultdict(list)
    for path, column in at.items():
        for length in range(1, len(path)):
            if path[:length] in at:
                within[path[:length]].append(column)
    found: dict[int, str] = {}
    for path, members in within.items():
        column = at[path]
        values = column.written - column.out_of_range[OBJECT.what]
        if not values:
            found[column.number] = ""
            continue
        share = values / (values + max(member.written for member in members))
        why = f"{column.name} is a value in some rows, and an object in others: give them two names"
        if share < MOSTLY:
            found[column.number] = why
        if share > 1 - MOSTLY:
            found |= {member.number: why for member in members}
    return found


def _steps(name: str) -> tuple[str, ...]:
    """The pointer's steps, as they are escaped; the name of a member of the event itself."""
    if not name.startswith("/"):
        return (name.replace("~", "~0").replace("/", "~1"),)
    return tuple(name[1:].split("/"))


def _unfit(column: ColumnProfile, kind: Guess) -> str:
    """Why no field is read from the values of a column; "" if one is, of all but a few."""
    rows = len(column.texts)
    few = (1 - (DATED if kind.kind == "date" else MOSTLY)) * rows
    held_by_none = column.out_of_range.total()
    if held_by_none > few:
        what, _ = column.out_of_range.most_common(1)[0]
        return f"in {held_by_none:,} of {rows:,} rows {what}"
    flags = column.types["bool"]
    if kind.kind != "flag" and flags > few:
        return (
            f"true or false in {flags:,} of {rows:,} rows, and something else in others, and no "
            "field is read from both: send one kind of value"
        )
    return ""


def event_of(fields: Sequence[DraftField], sample: Sample) -> DraftEvent:
    """What the fields are of the event.

    Raises:
        TableError: nothing names the claim.
    """
    dates = [f.name for f in fields if f.guess.kind == "date" and f.role.role is Role.TIME]
    keys = [f.name for f in fields if f.role.role is Role.IDENTIFIER]
    numbers = [f.name for f in fields if f.guess.kind == "number" and f.role.role is Role.FEATURE]
    occurred = roles.best(roles.OCCURRED, dates)
    found = {
        "key": roles.best(roles.KEY, keys),
        "time": roles.best(roles.TIME, [d for d in dates if d != occurred]),
        "occurred": occurred,
        "amount": roles.best(roles.AMOUNT, numbers),
    }
    others = {part: name for part, name in found.items() if name is not None}
    named = _id(fields)
    if named is None:
        return DraftEvent({"id": _number_of_row(fields, sample)} | others, is_numbered=True)
    several = sum(number > 1 for number in named.column.counts.values())
    doubt = f"{named.name}: the id of the claim, and {several:,} of its values are in several rows"
    return DraftEvent({"id": named.name} | others, False, doubt if several else "")


def _id(fields: Sequence[DraftField]) -> DraftField | None:
    """The field that names the claim: one that all rows have, and most likely each its own."""
    named = [f for f in fields if f.role.role is Role.IDENTIFIER and f.column.is_nearly_full]
    unique = [f for f in named if f.column.is_unique]
    own = [f for f in named if names_claims(words_of(f.column.name))]
    return next(
        iter(
            [
                *(f for f in own if f.column.is_unique),
                *(f for f in unique if "claim" in words_of(f.column.name)),
                *(f for f in own if len(f.column.counts) > f.column.present / 2),
                *unique,
                *(f for f in own if words_of(f.column.name) == CLAIM_ID),
            ]
        ),
        None,
    )


def _number_of_row(fields: Sequence[DraftField], sample: Sample) -> str:
    """A name for a field that no column is read for."""
    if sample.header is None:
        raise TableError(
            f"{sample.name}: no member names each claim, and lines of JSON have no numbers: give "
            """each object an id, as jq -nc 'foreach inputs as $e (0; . + 1; $e + """
            """{claim_id: "row-\\(.)"})' FILE does"""
        )
    names, taken = ColumnNames(sample.header), {field.name for field in fields}
    candidates = ["claim_id", "row_id", *(f"row_id_{n}" for n in range(len(sample.header) + 1))]
    return next(c for c in candidates if c not in taken and _is_free(c, names))


def _is_free(name: str, names: ColumnNames) -> bool:
    try:
        return names.find((name,)) is None
    except ColumnError:
        return False
