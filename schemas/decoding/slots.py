"""Slots: the places that a contract reads, and the fields made from what was found in them.

An event and a row of a file both become a list of what each slot holds; the rest is the same.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from schemas.contract.model import Contract, Field, MemberPath
from schemas.contract.places import json_path, path_of, places_of
from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError, invalid
from schemas.decoding.structs import partial_type
from schemas.reading.dates import ENGLISH, Week, day_of_week
from schemas.reading.declared import Reading, WeekDate
from schemas.reading.value import PLAIN, ReadValue, Value, as_text, value_reader
from schemas.reading.words import ReadingError, alike

Found = Sequence[Any]
"""What each slot holds; None if nothing."""


class _Week(NamedTuple):
    """Slots of the parts of a day, and the field it does not precede."""

    parts: tuple[int, int, int, int | None]
    not_before: str | None
    months: Sequence[str]


class _Reader(NamedTuple):
    """How one field is made from slots."""

    field: Field
    slots: tuple[int, ...]
    paths: tuple[str, ...]
    """JSON path of each slot, below the root."""
    read: ReadValue
    unless: tuple[tuple[int, frozenset[str]], ...]
    week: _Week | None
    bounded: bool
    """Whether a value out of bounds is missing."""


class Slots:
    """Makes claims from what the places of a contract hold.

    Args:
        contract: says what is read from where.
        kind: type of the claims.
        as_text: every value may come as a text, as in a file; else only those with a reading.
    """

    def __init__(self, contract: Contract, kind: type[Struct], *, as_text: bool) -> None:
        self._type = kind
        self._contract = contract
        self._as_text = as_text
        found = (path for field in contract.fields.values() for path in places_of(field))
        self.paths: tuple[MemberPath, ...] = tuple(dict.fromkeys(found))
        self._at: Mapping[MemberPath, int] = {path: n for n, path in enumerate(self.paths)}
        self._readers = [self._reader(field) for field in contract.fields.values()]
        self._by_name = {reader.field.name: reader for reader in self._readers}
        self._part = partial_type(contract)
        self._simple = [
            (r.field.name, r.slots[0], r.read, r.paths[0]) for r in self._readers if _is_simple(r)
        ]
        # Days that must not precede another field's are read after it.
        self._others = sorted(
            (r for r in self._readers if not _is_simple(r)),
            key=lambda r: bool(r.week and r.week.not_before),
        )
        self._required = [r for r in self._readers if r.field.required]

    def claim(self, found: Found, number: int = 0, root: str = "$") -> Any:
        """The claim.

        Args:
            found: what each slot holds.
            number: of the row, from 1; 0 for an event.
            root: path of the event in what it arrived in.

        Raises:
            RefusedError: it is not a claim; the path is the place of the fault.
        """
        values: dict[str, Any] = {}
        path = ""
        try:
            for name, slot, read, path in self._simple:  # noqa: B007 - the path where it stopped
                written = found[slot]
                if written is not None:
                    values[name] = read(written)
        except ReadingError as error:
            raise RefusedError(Reason.INVALID, str(error), root + path) from None
        for reader in self._others:
            value = self._value(reader, found, values, root)
            if value is None and number and reader.field.said.row is not None:
                value = reader.field.said.row.format(number)
            values[reader.field.name] = value
        for reader in self._required:
            if values.get(reader.field.name) is None:
                what = "is required, and missing"
                raise RefusedError(Reason.INVALID, what, root + reader.paths[0])
        try:
            return msgspec.convert(values, self._type)
        except msgspec.ValidationError as error:
            raise self._placed(error, found, root) from None

    def places_for(self, name: str) -> tuple[int, ...]:
        """Slots that the value of a field depends on, in order."""
        reader = self._by_name[name]
        week = reader.week.parts if reader.week else ()
        own = (*reader.slots, *(slot for slot, _ in reader.unless), *week)
        before = reader.week.not_before if reader.week else None
        found = {slot for slot in own if slot is not None}
        return tuple(sorted(found | set(self.places_for(before) if before else ())))

    def value(self, name: str, found: Found, number: int = 0) -> Any:
        """The value of one field, as `claim` finds it; None is missing.

        Args:
            name: of the field.
            found: what each slot holds; those that the field does not depend on are not looked at.
            number: of the row, from 1; 0 for no number.

        Raises:
            RefusedError: it is not valid.
        """
        reader = self._by_name[name]
        before = reader.week.not_before if reader.week else None
        values = {} if before is None else {before: self.value(before, found)}
        value = self._value(reader, found, values, "$")
        if value is None and number and reader.field.said.row is not None:
            value = reader.field.said.row.format(number)
        try:
            return getattr(msgspec.convert({name: value}, self._part), name)
        except msgspec.ValidationError as error:
            raise self._placed(error, found, "$") from None

    def _placed(self, error: msgspec.ValidationError, found: Found, root: str) -> RefusedError:
        """The refusal with the path of the place instead of the field's."""
        refused = invalid(error, "$")
        name = refused.path.removeprefix("$.")
        reader = next(r for r in self._readers if r.field.name == name)
        held = (p for s, p in zip(reader.slots, reader.paths, strict=True) if found[s] is not None)
        return RefusedError(refused.reason, str(refused), root + next(held, reader.paths[0]))

    def _reader(self, field: Field) -> _Reader:
        plain = field.reading is None and not self._contract.missing and not self._as_text
        said = field.reading or PLAIN
        return _Reader(
            field,
            tuple(self._at[path] for path in field.places),
            tuple(json_path(path)[1:] for path in field.places),
            _as_it_is if plain else value_reader(field.kind, said, self._contract.missing),
            tuple(
                (self._at[path_of(place)], frozenset(map(alike, words)))
                for place, words in said.missing_when.items()
            ),
            self._week(said, said.week_date) if said.week_date else None,
            said.out_of_range == "missing",
        )

    def _week(self, reading: Reading, week: WeekDate) -> _Week:
        year = None if week.year is None else self._at[path_of(week.year)]
        month, number, day = (self._at[path_of(p)] for p in (week.month, week.week, week.weekday))
        return _Week((month, number, day, year), week.not_before, reading.months or ENGLISH)

    def _value(self, reader: _Reader, found: Found, values: dict[str, Any], root: str) -> Value:
        for slot, words in reader.unless:
            if found[slot] is not None and alike(_text(found[slot])) in words:
                return None
        for slot, path in zip(reader.slots, reader.paths, strict=True):
            if found[slot] is None:
                continue
            value = _attempt(reader.read, found[slot], root, path)
            if reader.bounded and value is not None and _out_of_bounds(reader.field, value):
                return None
            if value is not None:
                return value
        return self._day(reader, reader.week, found, values, root) if reader.week else None

    def _day(
        self, reader: _Reader, week: _Week, found: Found, values: dict[str, Any], root: str
    ) -> Value:
        texts = [None if slot is None else _text(found[slot]) for slot in week.parts]
        absent = {alike(word) for word in (*self._contract.missing, "")}
        absent |= {alike(w) for w in (reader.field.reading or PLAIN).missing}
        if any(text is not None and alike(text) in absent for text in texts):
            return None
        month, number, day, year = texts
        said = Week(month or "", number or "", day or "", year)
        earliest: dt.date | None = values.get(week.not_before) if week.not_before else None
        if week.not_before and earliest is None:
            return None
        path = json_path(self.paths[week.parts[0]])[1:]
        return _attempt(lambda parts: day_of_week(parts, earliest, week.months), said, root, path)


def _is_simple(reader: _Reader) -> bool:
    """True if a field is no more than what its only slot holds."""
    special = reader.unless or reader.week or reader.bounded or reader.field.said.row is not None
    return len(reader.slots) == 1 and not special


def _as_it_is(value: Value) -> Value:
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_text(value) if isinstance(value, int | float) else str(value)


def _attempt(read: Callable[[Any], Value], value: Any, root: str, path: str) -> Value:
    try:
        return read(value)
    except ReadingError as error:
        raise RefusedError(Reason.INVALID, str(error), root + path) from None


def _out_of_bounds(field: Field, value: Any) -> bool:
    said = field.said
    if field.kind == "number":
        least, most = said.minimum, said.maximum
        return (least is not None and value < least) or (most is not None and value > most)
    return said.max_length is not None and len(value) > said.max_length
