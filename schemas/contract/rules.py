"""The rules that the declaration of a field keeps, and the field that one becomes."""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from schemas.claim import WITHHELD, Role
from schemas.contract import phrases
from schemas.contract.declared import NAME_FORM, Declared, Phrase
from schemas.contract.errors import ContractError
from schemas.contract.model import MAX_NUMBER, MAX_TEXT, Field
from schemas.contract.places import PlaceError, path_of
from schemas.entities.declared import Entity
from schemas.expressions.grammar import RESERVED
from schemas.expressions.nodes import Kind
from schemas.reading.dates import FormError
from schemas.reading.declared import Reading
from schemas.reading.patterns import PatternError, check_pattern
from schemas.reading.value import value_reader
from schemas.reading.words import PARTS_OF_NUMBERS

_KINDS: Final[Mapping[str, Kind]] = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "flag",
}
_ONLY_FOR: Final[Mapping[str, tuple[Kind, ...]]] = {
    "minimum": ("number",),
    "maximum": ("number",),
    "multiple_of": ("number",),
    "min_length": ("text",),
    "max_length": ("text",),
    "pattern": ("text",),
    "row": ("text",),
    "words": ("number",),
}
"""Keywords that only fields of some kinds have."""
_READ_ONLY_FOR: Final[Mapping[str, tuple[Kind, ...]]] = {
    "date": ("date",),
    "months": ("date",),
    "week_date": ("date",),
    "thousands": ("number",),
    "decimal": ("number",),
    "currency": ("number",),
    "sign": ("number",),
    "out_of_range": ("number", "text"),
    "true": ("flag",),
    "false": ("flag",),
    "case": ("text",),
}
_OF_KIND: Final[Mapping[Kind, tuple[type, ...]]] = {
    "number": (int, float),
    "flag": (bool,),
    "text": (str,),
    "date": (),
}


_ROW: Final = re.compile(r"[^{}]*\{(?::0\d\d?)?\}[^{}]*")


class Fault(NamedTuple):
    """A rule that a declaration breaks: where below it, what is wrong, and the fix."""

    below: str
    what: str
    fix: str


def kind_of(said: Declared) -> Kind:
    """Kind of a field's values; the type must be one."""
    kind = _KINDS[next(t for t in _types(said) if t != "null")]
    return "date" if kind == "text" and said.format == "date" else kind


def _types(said: Declared) -> tuple[str, ...]:
    return (said.type,) if isinstance(said.type, str) else said.type


def places_of(name: str, said: Declared) -> tuple[str, ...]:
    """Where the field is found, as written; its own name unless it says otherwise."""
    if said.places is None:
        return (name,)
    return (said.places,) if isinstance(said.places, str) else said.places


def name_faults(name: str) -> Iterator[Fault]:
    """What is wrong with the name of a field or a derived fact."""
    if not re.match(NAME_FORM, name):
        yield Fault(
            "",
            f"{name[:80]!r} is not a name: letters, digits and _, at most 64",
            "Give the field such a name, and x-from the name it comes by.",
        )
    if name.startswith("__"):
        yield Fault("", f"{name[:80]} begins with __", "Give the field another name.")
    if keyword.iskeyword(name) or name in RESERVED:
        yield Fault("", f"{name} is a word of expressions", "Give the field another name.")


def faults(name: str, said: Declared, *, required: bool) -> Iterator[Fault]:
    """Every rule that the declaration of a field breaks."""
    yield from name_faults(name)
    if len(set(_types(said)) - {"null"}) != 1:
        yield Fault(".type", "is not one type", 'Write one, or one with "null".')
    else:
        yield from _type_faults(said, required=required)


def _type_faults(said: Declared, *, required: bool) -> Iterator[Fault]:
    kind = kind_of(said)
    if required and "null" in _types(said):
        yield Fault(".type", "null, and the field is required", "Take out null, or required.")
    if said.format and kind != "date":
        yield Fault(".format", f"a {kind} has no format", "Take it out, or write type: string.")
    for keyword_, kinds in _ONLY_FOR.items():
        if getattr(said, keyword_) not in (None, {}) and kind not in kinds:
            shown = {f.name: f.encode_name for f in msgspec.structs.fields(Declared)}[keyword_]
            yield Fault(f".{shown}", f"is for a {kinds[0]}, and this is a {kind}", "Take it out.")
    yield from _bound_faults(said)
    yield from _role_faults(said, kind)
    yield from _entity_faults(said, kind)
    yield from _place_faults(said)
    yield from phrase_faults(said.phrase, kind)
    if said.reading is not None:
        yield from _reading_faults(said.reading, kind)


def _bound_faults(said: Declared) -> Iterator[Fault]:
    if said.minimum is not None and said.maximum is not None and said.minimum > said.maximum:
        yield Fault(".minimum", f"is above the maximum {said.maximum:g}", "Correct one of them.")
    if (said.min_length or 0) > (MAX_TEXT if said.max_length is None else said.max_length):
        yield Fault(".minLength", "is above the maximum length", "Correct one, or add maxLength.")
    if said.pattern is not None:
        try:
            check_pattern(said.pattern, MAX_TEXT if said.max_length is None else said.max_length)
        except PatternError as error:
            yield Fault(".pattern", str(error), "Correct it, or use enum or a smaller maxLength.")


def _role_faults(said: Declared, kind: Kind) -> Iterator[Fault]:
    if said.role is Role.TIME and kind != "date":
        yield Fault(".x-role", "time is for dates", "Add format: date, or choose another role.")
    if kind == "date" and said.role in (Role.FEATURE, Role.IDENTIFIER):
        yield Fault(
            ".x-role",
            f"a date is not of role {said.role.value}: only differences of dates are features",
            "Write x-role: time, and derive a feature under x-derived with days_between.",
        )
    if said.case and said.role in WITHHELD:
        yield Fault(
            ".x-case", f"{said.role.value}, and alerts carry what x-case marks", "Take it out."
        )
    if said.role is Role.IDENTIFIER and kind != "text":
        yield Fault(".x-role", "an identifier is a text", "Write type: string.")


def _entity_faults(said: Declared, kind: Kind) -> Iterator[Fault]:
    entity = said.entity
    if not isinstance(entity, Entity):
        return
    if kind != "text":
        yield Fault(".x-entity", f"a {kind} names no entity", "Write type: string, or a name only.")
    if said.role is Role.PROTECTED:
        yield Fault(".x-entity", "protected, and no history is kept by it", "Take it out.")
    if entity.country is not None and entity.form != "phone":
        yield Fault(".x-entity.country", "is for form: phone", "Take it out.")


def _place_faults(said: Declared) -> Iterator[Fault]:
    for number, place in enumerate(places_of("", said) if said.places is not None else ()):
        try:
            path_of(place)
        except PlaceError as error:
            yield Fault(f".x-from[{number}]", str(error), "Correct it.")
    if said.row is not None and not _ROW.fullmatch(said.row):
        yield Fault(".x-row", "is not a text with one {}", 'Write such as "claim-{:06}".')


def phrase_faults(phrase: Phrase | None, kind: Kind) -> Iterator[Fault]:
    """What is wrong with the texts of a field or a derived fact of that kind."""
    if phrase is None:
        return
    for what in phrases.faults(phrase, is_number=kind == "number"):
        yield Fault(".x-text", what, "Correct it.")
    if isinstance(phrase, str):
        return
    if kind == "flag" and (phrase.true is None or phrase.false is None):
        yield Fault(".x-text", "a flag has texts for true and false", "Write both.")
    if kind != "flag" and phrase.positive is None:
        yield Fault(".x-text", f"a {kind} has one text, or cases with positive", "Write it.")


def _reading_faults(reading: Reading, kind: Kind) -> Iterator[Fault]:
    given = msgspec.to_builtins(reading)
    for key, kinds in _READ_ONLY_FOR.items():
        if key in given and kind not in kinds:
            yield Fault(
                f".x-read.{key}", f"is for a {kinds[0]}, and this is a {kind}", "Take it out."
            )
    if reading.decimal in reading.thousands or _is_part_of_number(reading):
        yield Fault(
            ".x-read",
            "the marks of thousands and decimals are the same, or digits, letters or signs",
            "Correct one.",
        )
    if "date" in given and reading.week_date is not None:
        yield Fault(".x-read", "has a form of dates and parts of one", "Take one out.")
    for word, value in reading.table.items():
        if value is not None and not _is_of(value, kind):
            yield Fault(f".x-read.table.{word}", f"is no {kind}", f"Write a {kind}, or null.")
    yield from _part_faults(reading)
    try:
        value_reader(kind, reading)
    except FormError as error:
        yield Fault(".x-read.date", str(error), "Correct the form.")


def _is_part_of_number(reading: Reading) -> bool:
    return any(c.isalnum() or c in PARTS_OF_NUMBERS for c in reading.decimal + reading.thousands)


def _is_of(value: Any, kind: Kind) -> bool:
    return isinstance(value, _OF_KIND[kind]) and (kind == "flag" or not isinstance(value, bool))


def _part_faults(reading: Reading) -> Iterator[Fault]:
    week = reading.week_date
    parts = (
        [] if week is None else [week.month, week.week, week.weekday, *filter(None, [week.year])]
    )
    if week is not None and week.year is None and week.not_before is None:
        yield Fault(".x-read.week_date", "has neither year nor not_before", "Add one of them.")
    for place in (*parts, *reading.missing_when):
        try:
            path_of(place)
        except PlaceError as error:
            yield Fault(".x-read", str(error), "Correct it.")


def field_of(name: str, said: Declared, *, required: bool, file: str) -> Field:
    """The field.

    Raises:
        ContractError: the declaration breaks a rule.
    """
    for below, what, fix in faults(name, said, required=required):
        raise ContractError(file, f"$.properties.{name}{below}", what, fix)
    if said.type == "integer" or "integer" in said.type:
        said = msgspec.structs.replace(said, multiple_of=said.multiple_of or 1)
    return Field(
        name=name,
        kind=kind_of(said),
        role=said.role,
        required=required,
        places=tuple(map(path_of, places_of(name, said))),
        said=_bounded(said),
        reading=said.reading,
    )


def _bounded(said: Declared) -> Declared:
    """The declaration with bounds: nothing that comes from outside is without."""
    kind = kind_of(said)
    if kind == "number":
        return msgspec.structs.replace(
            said,
            minimum=-MAX_NUMBER if said.minimum is None else said.minimum,
            maximum=MAX_NUMBER if said.maximum is None else said.maximum,
        )
    if kind == "text" and said.max_length is None:
        return msgspec.structs.replace(said, max_length=MAX_TEXT)
    return said
