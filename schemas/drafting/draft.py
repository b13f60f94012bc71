"""Draft a contract for a file of claims."""

import keyword
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.claim import Role
from schemas.contract.phrases import MONEY
from schemas.drafting import roles
from schemas.drafting.codes import on_a_line, words_of
from schemas.drafting.columns import ColumnProfile, columns_of
from schemas.drafting.currency import SIGNS, Currency, currency_of
from schemas.drafting.kinds import Guess, guess
from schemas.drafting.signs import label_words, signs
from schemas.drafting.yaml_text import entry
from schemas.expressions.grammar import RESERVED
from schemas.printable import listed
from schemas.reading.amounts import number_reader
from schemas.reading.words import ReadingError
from schemas.tables.rows import TableError

MAX_DIGITS: Final = 299
"""Of a bound: more are refused in a contract."""
LENGTHS: Final = (20, 50, 100, 200, 500, 2_000, 20_000)
_USES: Final = {
    "key": "the policy; orders the claims of one",
    "time": "of the report",
    "occurred": "the day of the loss; --split time needs it",
    "amount": "claimed; priority needs it",
}
_TYPES: Final = {"number": "number", "flag": "boolean", "date": "string", "text": "string"}


class _Field(NamedTuple):
    """A field that was drafted."""

    name: str
    column: ColumnProfile
    guess: Guess
    role: roles.RoleGuess
    remarks: tuple[str, ...]


def draft(path: Path, label: str | None = None) -> str:
    """The text of a contract in YAML; what is doubtful stands in a remark that begins with `?`.

    Args:
        path: of a file of claims.
        label: the column that says what was found.

    Raises:
        TableError: the file cannot be read, or has no such column.
    """
    columns = columns_of(path)
    outcome = _label_column(columns, label, path.name)
    words = label_words(outcome) if outcome else ([], [], True)
    fraud = _frauds(outcome, *words[:2], rows=len(columns[0].texts))
    fields = _fields([c for c in columns if c is not outcome], fraud)
    if not fields:
        raise TableError(f"{path.name}: no column besides the label")
    amounts = [field.column for field in fields if field.guess.reading.get("currency")]
    currency = currency_of([field.column for field in fields], amounts)
    return "\n".join(_lines(path, fields, outcome, words, currency)) + "\n"


def _label_column(
    columns: Sequence[ColumnProfile], label: str | None, file: str
) -> ColumnProfile | None:
    if label is None:
        return None
    for column in columns:
        if column.name == label:
            return column
    known = listed([column.name for column in columns])
    raise TableError(f"{file}: no column {label} for the label. It has: {known}")


def _frauds(
    outcome: ColumnProfile | None, fraud: Sequence[str], honest: Sequence[str], rows: int
) -> list[bool | None]:
    if outcome is None:
        return [None] * rows
    known = {**dict.fromkeys(honest, False), **dict.fromkeys(fraud, True)}
    return [known.get(text) for text in outcome.texts]


def _fields(columns: Sequence[ColumnProfile], fraud: Sequence[bool | None]) -> list[_Field]:
    taken: set[str] = {"claim_id"}
    found = []
    for column in columns:
        name = _name(column.name, taken)
        taken.add(name)
        kind = guess(column)
        role = roles.role_of(column, kind)
        if role.role is Role.IDENTIFIER:
            kind = kind._replace(kind="text", reading=_only_missing(kind.reading))
        remarks = (*kind.doubts, *role.doubts, *signs(column, fraud))
        found.append(_Field(name, column, kind, role, remarks))
    return found


def _only_missing(reading: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reading.items() if key == "missing"}


def _name(column: str, taken: set[str]) -> str:
    plain = "_".join(w for w in words_of(column) if w.isascii()) or "field"
    plain = (plain if plain[0].isalpha() else f"field_{plain}")[:50]
    if keyword.iskeyword(plain) or plain in RESERVED or plain == "claim_id":
        plain += "_"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name


def _lines(
    path: Path,
    fields: Sequence[_Field],
    outcome: ColumnProfile | None,
    words: tuple[list[str], list[str], bool],
    currency: Currency,
) -> Iterator[str]:
    stem = "-".join(w for w in words_of(path.name.partition(".")[0]) if w.isascii())
    event = _event(fields)
    yield f"# A draft from the first {len(fields[0].column.texts):,} rows of {path.name}."
    yield "# Remarks that begin with ? are doubts: read them, correct what is wrong, delete them."
    yield f"title: Claims of {path.name.partition('.')[0]}" if stem else "title: Claims"
    about: dict[str, Any] = {
        "name": (stem or "claims")[:60],
        "version": 1,
        "line_of_business": "unknown",
    }
    if currency.code is not None:
        about["currency"] = currency.code
    yield from entry("x-contract", about)
    yield "# ? line_of_business, and whether these fields are the ones that are meant"
    if currency.doubt is not None:
        yield f"# ? currency: {' '.join(currency.doubt.split())}"
    if absent := [f"{part} ({use})" for part, use in _USES.items() if part not in event]:
        yield f"# ? no field was found to be {', '.join(absent)}"
    yield from entry("x-event", event)
    if outcome is not None:
        fraud, honest, certain = words
        if not certain:
            others = set(outcome.counts) - {*fraud, *honest}
            rest = f"; with any other a claim is unlabelled: {on_a_line(others)}"
            yield f"# ? which words mean fraud{rest if others else ''}"
        yield from entry("x-label", {"field": outcome.name, "fraud": fraud, "honest": honest})
    yield f"required: [{event['id']}]"
    yield "properties:"
    if event["id"] == "claim_id":
        yield "  # ? no column has a value of its own in every row: the number of the row is the id"
        numbered = {"type": "string", "x-role": "identifier", "x-row": "row-{:08}"}
        yield from entry("claim_id", numbered, 2)
    for field in fields:
        for remark in field.remarks:
            yield f"  # ? {field.name}: {remark}"
        is_amount = field.name == event.get("amount") or _has_signs(field)
        yield from entry(field.name, _declared(field, is_amount=is_amount), 2)
    yield from _derived(event, fields)


def _has_signs(field: _Field) -> bool:
    """True if the numbers have signs of a currency; a percent sign is read like one."""
    return any(sign in SIGNS for sign in field.guess.reading.get("currency", ()))


def _declared(field: _Field, *, is_amount: bool) -> dict[str, Any]:
    kind = field.guess.kind
    found: dict[str, Any] = {"type": _TYPES[kind]}
    if kind == "date":
        found["format"] = "date"
    if kind == "text":
        longest = max(map(len, field.column.counts), default=0)
        found["maxLength"] = next((n for n in LENGTHS if n >= 2 * longest), 20_000)
    if kind == "number":
        found |= _bounds(field)
    found["x-role"] = field.role.role.value
    if is_amount:
        found["x-unit"] = MONEY
    if field.role.entity:
        found["x-entity"] = roles.entity_of(field.role.entity)
    if field.column.name != field.name:
        found["x-from"] = field.column.name
    if field.guess.reading:
        found["x-read"] = field.guess.reading
    return found


def _bounds(field: _Field) -> dict[str, int]:
    """Bounds with room: ten times what is there, and none below zero if nothing is."""
    reading = field.guess.reading
    read = number_reader(
        reading.get("thousands", ""), reading.get("decimal", "."), reading.get("currency", ())
    )
    values = list(_numbers(field.column, read))
    digits = math.ceil(math.log10(max(1, *map(abs, values)))) + 1 if values else 9
    most = 10 ** min(digits, MAX_DIGITS)
    return {"minimum": 0 if min(values, default=0) >= 0 else -most, "maximum": most}


def _numbers(column: ColumnProfile, read: Any) -> Iterator[float]:
    for text in column.counts:
        try:
            yield read(text)
        except ReadingError:  # said in a remark
            continue


def _event(fields: Sequence[_Field]) -> dict[str, str]:
    kinds = {field.name: field.guess.kind for field in fields}
    unique = [f.name for f in fields if f.role.role is Role.IDENTIFIER and f.column.is_unique]
    claims = [name for name in unique if "claim" in words_of(name)]
    found = {"id": (claims or unique or ["claim_id"])[0]}
    dates = [f.name for f in fields if kinds[f.name] == "date" and f.role.role is Role.TIME]
    keys = [f.name for f in fields if f.role.role is Role.IDENTIFIER]
    occurred = roles.best(roles.OCCURRED, dates)
    parts = {
        "key": roles.best(roles.KEY, keys),
        "time": roles.best(roles.TIME, [d for d in dates if d != occurred]),
        "occurred": occurred,
        "amount": roles.best(roles.AMOUNT, [n for n, kind in kinds.items() if kind == "number"]),
    }
    return found | {part: name for part, name in parts.items() if name is not None}


def _derived(event: Mapping[str, str], fields: Sequence[_Field]) -> Iterator[str]:
    dates = [f.name for f in fields if f.guess.kind == "date" and f.role.role is Role.TIME]
    occurred, time = event.get("occurred"), event.get("time")
    start = roles.best(roles.START, [d for d in dates if d not in (occurred, time)])
    facts = {}
    if occurred and time:
        facts["report_lag_days"] = f"days_between({time}, {occurred})"
    if occurred and start:
        facts["days_since_start"] = f"days_between({occurred}, {start})"
    names = {field.name for field in fields}
    if facts:
        yield "x-derived:"
        for name, expression in facts.items():
            yield f"  {name}{'_' if name in names else ''}: {expression}"
