"""Slots: the places that a contract reads, and the fields made of what was found in them.

An event and a row of a file both become a list of what each slot holds; the rest is the same.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from schemas.contract.model import Contract, Field, Path
from schemas.contract.places import json_path, path_of, places_of
from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError, invalid
from schemas.reading.dates import ENGLISH, Week, day_of_week
from schemas.reading.declared import Reading, WeekDate
from schemas.reading.value import PLAIN, Read, Value, as_text, value_reader
from schemas.reading.words import ReadingError, alike

Found = Sequence[Any]
"""What each slot holds; None: nothing."""


class _Week(NamedTuple):
    """Slots of the parts of a day, and the field it does not precede."""

    parts: tuple[int, int, int, int | None]
    not_before: str | None
    months: Sequence[str]


class _Reader(NamedTuple):
    """How one field is made of slots."""

    field: Field
    slots: tuple[int, ...]
    read: Read | None
    """None: what the slot holds is the value."""
    unless: tuple[tuple[int, frozenset[str]], ...]
    week: _Week | None


class Slots:
    """Makes claims of what the places of a contract hold.

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
        self.paths: tuple[Path, ...] = tuple(dict.fromkeys(found))
        self._at: Mapping[Path, int] = {path: n for n, path in enumerate(self.paths)}
        readers = [self._reader(field) for field in contract.fields.values()]
        # Days that must not precede another field's are read after it.
        self._readers = sorted(readers, key=lambda r: bool(r.week and r.week.not_before))

    def claim(self, found: Found, number: int = 0, root: str = "$") -> Any:
        """The claim.

        Args:
            found: what each slot holds.
            number: of the row, from 1; 0 of an event.
            root: path of the event in what it came in.

        Raises:
            RefusedError: it is none; the path is the place of the fault.
        """
        values: dict[str, Any] = {}
        for reader in self._readers:
            value = self._value(reader, found, values, root)
            if value is None and number and reader.field.said.row is not None:
                value = reader.field.said.row.format(number)
            if value is not None:
                values[reader.field.name] = value
            elif reader.field.required:
                path = root + json_path(reader.field.places[0])[1:]
                raise RefusedError(Reason.INVALID, "Expected a value: it is required", path)
        try:
            return msgspec.convert(values, self._type)
        except msgspec.ValidationError as error:
            raise self._placed(error, found, root) from None

    def _placed(self, error: msgspec.ValidationError, found: Found, root: str) -> RefusedError:
        """The refusal with the path of the place instead of the field's."""
        refused = invalid(error, "$")
        fields = self._contract.fields
        name = refused.path.removeprefix("$.")
        place = self._place(self._reader(fields[name]), found) if name in fields else ()
        return RefusedError(refused.reason, str(refused), root + json_path(place)[1:])

    def _place(self, reader: _Reader, found: Found) -> Path:
        """The place that a field was read from."""
        held = [slot for slot in reader.slots if found[slot] is not None]
        return self.paths[held[0]] if held else reader.field.places[0]

    def _reader(self, field: Field) -> _Reader:
        reading = field.reading
        plain = reading is None and not self._contract.missing and not self._as_text
        said = reading or PLAIN
        return _Reader(
            field,
            tuple(self._at[path] for path in field.places),
            None if plain else value_reader(field.kind, said, self._contract.missing),
            tuple(
                (self._at[path_of(place)], frozenset(map(alike, words)))
                for place, words in said.missing_when.items()
            ),
            self._week(said, said.week_date) if said.week_date else None,
        )

    def _week(self, reading: Reading, week: WeekDate) -> _Week:
        year = None if week.year is None else self._at[path_of(week.year)]
        month, number, day = (self._at[path_of(p)] for p in (week.month, week.week, week.weekday))
        return _Week((month, number, day, year), week.not_before, reading.months or ENGLISH)

    def _value(self, reader: _Reader, found: Found, values: dict[str, Any], root: str) -> Value:
        for slot, words in reader.unless:
            if found[slot] is not None and alike(_text(found[slot])) in words:
                return None
        for slot in reader.slots:
            value = found[slot]
            if value is None:
                continue
            if reader.read is not None:
                value = _attempt(reader.read, value, root + json_path(self.paths[slot])[1:])
                if value is not None and _out_of_bounds(reader.field, value):
                    return None
            if value is not None:
                return value  # type: ignore[no-any-return]
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
        where = root + json_path(self.paths[week.parts[0]])[1:]
        if week.not_before and earliest is None:
            return None
        return _attempt(lambda parts: day_of_week(parts, earliest, week.months), said, where)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_text(value) if isinstance(value, int | float) else str(value)


def _attempt(read: Callable[[Any], Value], value: Any, path: str) -> Value:
    try:
        return read(value)
    except ReadingError as error:
        raise RefusedError(Reason.INVALID, str(error), path) from None


def _out_of_bounds(field: Field, value: Any) -> bool:
    """True if the field has no value rather than one that its bounds refuse."""
    if field.reading is None or field.reading.out_of_range != "missing":
        return False
    said = field.said
    if field.kind == "number":
        least, most = said.minimum, said.maximum
        return (least is not None and value < least) or (most is not None and value > most)
    return said.max_length is not None and len(value) > said.max_length
