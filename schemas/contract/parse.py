"""From a document to a contract, with every rule checked."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from schemas.claim import WITHHELD
from schemas.contract import source
from schemas.contract.declared import (
    Declared,
    DeclaredFact,
    DeclaredLabel,
    Document,
    Event,
)
from schemas.contract.errors import ContractError
from schemas.contract.model import Contract, Derived, Field
from schemas.contract.places import PlaceError, json_path, path_of, places_of, within
from schemas.contract.rules import field_of, name_faults, phrase_faults
from schemas.contract.words import both, word_faults
from schemas.entities.declared import Entity
from schemas.expressions.grammar import parse as parse_expression
from schemas.expressions.nodes import ExpressionError, Kind
from schemas.reading.dates import FormError, date_reader
from schemas.reading.words import listed
from schemas.wording import broken_rule

T = TypeVar("T")

FOLDER: Final = Path(__file__).parents[1] / "contracts"
"""Of the contracts that come with the product."""

_UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]*)`")
_EVENT_KINDS: Final[dict[str, Kind]] = {
    "id": "text",
    "key": "text",
    "time": "date",
    "occurred": "date",
    "amount": "number",
}


def load(path: Path) -> Contract:
    """Read a contract from a file.

    Raises:
        ContractError: it cannot be read or breaks a rule; names the file, the place and the fix.
    """
    return parse(source.read_file(path), path.name)


@cache
def shipped(name: str) -> Contract:
    """The contract of that name that comes with the product."""
    return load(FOLDER / f"{name}.yaml")


def from_bytes(content: bytes, name: str) -> Contract:
    """Read a contract from the content of a file with that name; see `load`."""
    return parse(source.read_text(content, name), name)


def parse(tree: Mapping[str, Any], file: str = "contract") -> Contract:
    """Check a document.

    Raises:
        ContractError: it breaks a rule; names the file, the place and the fix.
    """
    document = _convert(tree, Document, file, "$")
    fields = dict(_fields(document, file))
    _check_names(document.required, fields, file, "$.required")
    _check_places(fields, file)
    _check_event(document.event, fields, file)
    _check_entities(document.event, fields, file)
    contract = Contract(
        about=document.about,
        id=document.id,
        title=document.title,
        description=document.description,
        fields=fields,
        derived=_derived(document, fields, file),
        event=document.event,
        label=document.label,
        label_path=_label_path(document.label, fields, file),
        decided_path=_decided_path(document.label, fields, file),
        missing=document.missing,
        examples=document.examples,
        tree=tree,
    )
    _check_case(contract, file)
    return contract


def _check_case(contract: Contract, file: str) -> None:
    for name in filter(contract.is_withheld, contract.case_fields):
        raise ContractError(
            file,
            f"$.x-derived.{name}.x-case",
            "it is derived from a personal or protected field, and alerts carry what x-case marks",
            "Take it out.",
        )


def _convert(tree: object, kind: type[T], file: str, path: str) -> T:
    """A part of the document as its type; what does not fit is named with its place."""
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        what, below = broken_rule(error, kind)
        unknown = _UNKNOWN.match(str(error))
        if unknown is not None:
            what = f"has no member {unknown[1]}"
        raise ContractError(file, path + below, what, _fix(what, unknown, kind)) from None


def _fix(what: str, unknown: re.Match[str] | None, kind: type) -> str:
    """What to do about a part that does not fit."""
    if unknown is not None:
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        near = difflib.get_close_matches(unknown[1], known, n=1)
        meant = f"Write {near[0]}" if near else f"Known are {', '.join(known)}"
        return f"{meant}, or take it out."
    return "Add it." if what.startswith("lacks ") else "Correct it."


def _fields(document: Document, file: str) -> Iterator[tuple[str, Field]]:
    for name, tree in document.properties.items():
        path = f"$.properties.{name}"
        said = _convert(tree, Declared, file, path)
        field = field_of(name, said, required=name in document.required, file=file)
        for fault in word_faults(field, document.missing):
            raise ContractError(file, path + fault.below, fault.what, fault.fix)
        yield name, field


def _check_names(names: Sequence[str], known: Mapping[str, object], file: str, path: str) -> None:
    for name in names:
        if name not in known:
            _refuse_unknown(name, known, file, path)


def _refuse_unknown(name: str, known: Mapping[str, object], file: str, path: str) -> NoReturn:
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"Write {near[0]}." if near else f"Declared are {listed(known)}."
    raise ContractError(file, path, f"there is no field {name} under properties", fix)


def _check_places(fields: Mapping[str, Field], file: str) -> None:
    for inner, outer in within(fields):
        raise ContractError(
            file,
            "$.properties",
            f"{json_path(outer)} is read as a value and, for {json_path(inner)}, as an object",
            "Correct x-from of one of the fields.",
        )
    _check_revealed(fields, file)
    for field in fields.values():
        after = _not_before(field)
        if after is None:
            continue
        path = f"$.properties.{field.name}.x-read.week_date.not_before"
        _check_names([after], fields, file, path)
        if fields[after].kind != "date" or _not_before(fields[after]):
            raise ContractError(
                file, path, f"{after} is no date of its own", "Name a date that needs no other."
            )


def _check_revealed(fields: Mapping[str, Field], file: str) -> None:
    """Check that what is withheld as one field cannot be seen as another."""
    withheld = {p: f for f in fields.values() if f.role in WITHHELD for p in places_of(f)}
    for field in fields.values():
        shared = [withheld[place] for place in places_of(field) if place in withheld]
        if shared and field.role not in WITHHELD:
            role = shared[0].role.value
            raise ContractError(
                file,
                f"$.properties.{field.name}",
                f"is read from the place of {shared[0].name}, which is {role}, and would reveal it",
                f"Give it another place, or write x-role: {role}.",
            )


def _not_before(field: Field) -> str | None:
    week = field.reading.week_date if field.reading else None
    return week.not_before if week else None


def _check_event(event: Event, fields: Mapping[str, Field], file: str) -> None:
    for part, kind in _EVENT_KINDS.items():
        name = getattr(event, part)
        if name is None:
            continue
        path = f"$.x-event.{part}"
        _check_names([name], fields, file, path)
        if fields[name].kind != kind:
            raise ContractError(
                file, path, f"{name} is a {fields[name].kind}", f"Name a field that is a {kind}."
            )
        if fields[name].role in WITHHELD:
            raise ContractError(
                file,
                path,
                f"{name} is {fields[name].role.value}, and alerts carry what x-event names",
                "Name another field, or leave it out.",
            )
    if not fields[event.id].required:
        raise ContractError(
            file, "$.required", f"{event.id} is the claim's id and not required", "Add it here."
        )


def _check_entities(event: Event, fields: Mapping[str, Field], file: str) -> None:
    """Check that no claim is its own entity, and that one kind is one thing."""
    first: dict[str, tuple[str, Entity]] = {}
    for name, field in fields.items():
        entity, path = field.said.entity, f"$.properties.{name}.x-entity"
        if not isinstance(entity, Entity):
            continue
        if name == event.id:
            raise ContractError(
                file, path, "is the claim's id, and each claim has its own", "Take it out."
            )
        other, same = first.setdefault(entity.kind, (name, entity))
        if not entity.agrees(same):
            raise ContractError(
                file,
                path,
                f"{other} names a {entity.kind} by another like, form or country",
                "Write the same for both, or give one another kind.",
            )


def _label_path(
    label: DeclaredLabel | None, fields: Mapping[str, Field], file: str
) -> tuple[str, ...]:
    if label is None:
        return ()
    path = _found_later(label.field, "field", fields, file)
    word = both(label.fraud, label.honest)
    if word is not None:
        raise ContractError(file, "$.x-label", f"{word} is fraud and honest", "Decide on one.")
    return path


def _decided_path(
    label: DeclaredLabel | None, fields: Mapping[str, Field], file: str
) -> tuple[str, ...]:
    if label is None or label.decided is None:
        return ()
    try:
        date_reader((label.date,) if isinstance(label.date, str) else label.date)
    except FormError as error:
        raise ContractError(file, "$.x-label.date", str(error), "Correct the form.") from None
    return _found_later(label.decided, "decided", fields, file)


def _found_later(
    place: str, member: str, fields: Mapping[str, Field], file: str
) -> tuple[str, ...]:
    """The path of a place that only training reads."""
    try:
        path = path_of(place)
    except PlaceError as error:
        raise ContractError(file, f"$.x-label.{member}", str(error), "Correct it.") from None
    what = "the label" if member == "field" else "when the label was decided"
    for field in fields.values():
        if path in field.places:
            raise ContractError(
                file,
                f"$.properties.{field.name}",
                f"{place} is {what}, which no claim has when it is scored",
                "Take the field out, or correct x-label.",
            )
    return path


def _derived(document: Document, fields: Mapping[str, Field], file: str) -> dict[str, Derived]:
    """Derived facts in order: each may use fields, and facts derived before it.

    Up to and in the expression of a fact, its name means the field of that name; after it, the
    fact.
    """
    kinds: dict[str, Kind] = {name: field.kind for name, field in fields.items()}
    found: dict[str, Derived] = {}
    for name, tree in document.derived.items():
        path = f"$.x-derived.{name}"
        for fault in name_faults(name):
            raise ContractError(file, path, fault.what, fault.fix)
        said = (
            DeclaredFact(expression=tree)
            if isinstance(tree, str)
            else _convert(tree, DeclaredFact, file, path)
        )
        try:
            node = parse_expression(said.expression, kinds, document.event.time)
        except ExpressionError as error:
            later = [n for n in document.derived if n not in found and n in said.expression]
            fix = f"Move it below {later[0]}." if later and later != [name] else "Correct it."
            raise ContractError(file, path, str(error), fix) from None
        if name in fields and fields[name].kind != node.kind:
            raise ContractError(
                file,
                path,
                f"it is a {node.kind}, and the field of the same name a {fields[name].kind}",
                "Give it another name.",
            )
        for fault in phrase_faults(said.phrase, node.kind):
            raise ContractError(file, path + fault.below, fault.what, fault.fix)
        found[name] = Derived(name, node.kind, node, said)
        kinds[name] = node.kind
    return found
