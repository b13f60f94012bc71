"""Draft a contract for a file of claims."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.claim import Role
from schemas.contract.declared import MAX_FIELDS
from schemas.contract.errors import ContractError
from schemas.contract.parse import from_bytes
from schemas.contract.phrases import MONEY
from schemas.decoding.decoder import ClaimDecoder
from schemas.drafting import roles
from schemas.drafting.codes import on_a_line, words_of
from schemas.drafting.columns import MOST_ROWS, ColumnProfile, Sample, sample_of
from schemas.drafting.currency import SIGNS, currency_of
from schemas.drafting.fields import (
    ColumnPlace,
    DraftEvent,
    DraftField,
    LeftOut,
    event_of,
    fields_of,
    placed,
)
from schemas.drafting.signs import LabelWords, label_words
from schemas.drafting.yaml_text import comment, entry, flow, remark
from schemas.printable import listed
from schemas.reading.amounts import number_reader
from schemas.reading.words import ReadingError
from schemas.tables.batches import open_batches
from schemas.tables.rows import TableError

MAX_DIGITS: Final = 299
"""Of a bound: more are refused in a contract."""
LENGTHS: Final = (20, 50, 100, 200, 500, 2_000, 20_000, 200_000, 1_000_000)
MAX_TITLE: Final = 100
_USES: Final = {
    "key": "the policy; orders the claims of one",
    "time": "of the report",
    "occurred": "the day of the loss; --split time needs it",
    "amount": "claimed; priority needs it",
}
_TYPES: Final = {"number": "number", "flag": "boolean", "date": "string", "text": "string"}


class _Label(NamedTuple):
    """The column that says what was found."""

    column: ColumnProfile
    place: str
    words: LabelWords


def draft(path: Path, label: str | None = None) -> str:
    """The text of a contract in YAML; what is doubtful stands in a remark that begins with `?`.

    The contract accepts the rows it was drafted from, or says in a remark how many it refuses.

    Args:
        path: of a file of claims.
        label: the column that says what was found.

    Raises:
        TableError: the file cannot be read, or has no such column, or no contract can be drafted
            that accepts most of its rows.
    """
    sample = sample_of(path)
    places = placed(sample)
    outcome = None if label is None else _label(sample, places, label)
    fields, left_out = fields_of(
        [c for c in sample.columns if outcome is None or c is not outcome.column],
        places,
        _frauds(outcome, sample.rows),
    )
    if not fields:
        why = f": {left_out[0].name}: {left_out[0].why}" if left_out else " besides the label"
        raise TableError(f"{sample.name}: no column that can be a field{why}")
    event = event_of(fields, sample)
    if len(fields) + event.is_numbered > MAX_FIELDS:
        raise TableError(
            f"{sample.name}: {len(fields):,} columns and none with an id, and a contract has at "
            f"most {MAX_FIELDS:,} fields: save a file with those that are needed"
        )
    lines = [*_lines(sample, fields, left_out, event, outcome)]
    refused = _refused(path, sample.name, "\n".join(lines))
    beginning = [
        comment(f"A draft from the first {sample.rows:,} rows of {sample.name}."),
        "# Remarks that begin with ? are doubts: read them, correct what is wrong, delete them.",
        *(remark(what) for what in refused),
    ]
    return "\n".join([*beginning, *lines]) + "\n"


def _label(sample: Sample, places: Mapping[int, ColumnPlace], label: str) -> _Label:
    for column in sample.columns:
        if column.name != label:
            continue
        place = places.get(column.number, ColumnPlace("", "it is an object"))
        if place.why:
            said = listed([label])
            raise TableError(f"{sample.name}: column {said} cannot be the label: {place.why}")
        return _Label(column, place.text, label_words(column))
    known = listed([column.name for column in sample.columns])
    raise TableError(f"{sample.name}: no column {label} for the label. It has: {known}")


def _frauds(label: _Label | None, rows: int) -> list[bool | None]:
    """The label of each row."""
    if label is None:
        return [None] * rows
    fraud, honest, _ = label.words
    known = {**dict.fromkeys(honest, False), **dict.fromkeys(fraud, True)}
    return [known.get(text) for text in label.column.texts]


def _refused(path: Path, name: str, text: str) -> Iterator[str]:
    """Doubts about rows that a draft refuses, as `check` does.

    Raises:
        TableError: those are most of the rows, or the draft breaks a rule of contracts.
    """
    rows, refused = 0, Counter[str]()
    try:
        decoder = ClaimDecoder(from_bytes(text.encode(), f"the draft of {name}"))
    except ContractError as error:
        raise TableError(f"no contract can be drafted: {error}") from error
    with open_batches(path, decoder) as file:
        for batch in file.batches:
            rows += len(batch.claims) + len(batch.rejected)
            refused.update(str(row.fault._replace(value="")) for row in batch.rejected)
            if rows >= MOST_ROWS:
                break
    if not refused:
        return
    what, most = refused.most_common(1)[0]
    some = f"{refused.total():,} of {rows:,} rows are refused, {most:,} of them: {what}"
    if refused.total() > rows / 2:
        raise TableError(f"{name}: no contract can be drafted that accepts it: {some}")
    yield some


def _lines(
    sample: Sample,
    fields: Sequence[DraftField],
    left_out: Sequence[LeftOut],
    event: DraftEvent,
    label: _Label | None,
) -> Iterator[str]:
    yield from _about(sample.name, fields, event)
    yield from entry("x-event", event.parts)
    if label is not None:
        yield from _label_lines(label)
    yield f"required: {flow([event.parts['id']])}"
    yield "properties:"
    for column in left_out:
        yield remark(f"left out: {listed([column.name])}: {column.why}", 2)
    if event.doubt:
        yield remark(event.doubt, 2)
    if event.is_numbered:
        yield remark(
            "no column was found that names each claim: the number of the row is the id", 2
        )
        numbered = {"type": "string", "x-role": "identifier", "x-row": "row-{:08}"}
        yield from entry(event.parts["id"], numbered, 2)
    for field in fields:
        for what in field.remarks:
            yield remark(f"{field.name}: {what}", 2)
        yield from entry(field.name, _declared(field, event.parts), 2)
    yield from _derived(event.parts, fields)


def _about(file: str, fields: Sequence[DraftField], event: DraftEvent) -> Iterator[str]:
    """What the contract is called, and what is known of all of it."""
    bare = file.partition(".")[0]
    stem = "-".join(w for w in words_of(bare) if w.isascii())
    yield from entry("title", f"Claims of {bare}"[:MAX_TITLE] if stem else "Claims")
    about: dict[str, Any] = {
        "name": (stem or "claims")[:60],
        "version": 1,
        "line_of_business": "unknown",
    }
    amounts = [field.column for field in fields if field.guess.reading.get("currency")]
    currency = currency_of([field.column for field in fields], amounts)
    if currency.code is not None:
        about["currency"] = currency.code
    yield from entry("x-contract", about)
    yield remark("line_of_business, and whether these fields are the ones that are meant")
    if currency.doubt is not None:
        yield remark(f"currency: {currency.doubt}")
    if absent := [f"{part} ({use})" for part, use in _USES.items() if part not in event.parts]:
        yield remark(f"no field was found to be {', '.join(absent)}")


def _label_lines(label: _Label) -> Iterator[str]:
    fraud, honest, are_certain = label.words
    others = {*label.column.counts} - {*fraud, *honest}
    if not fraud:
        found = f"no words but {on_a_line(others)}" if others else "no words"
        yield remark(
            f"no x-label: {listed([label.column.name])} has {found} in these rows, and a label has "
            "words for fraud and for honest: write x-label with field, fraud and honest"
        )
        return
    if not are_certain:
        rest = f"; with any other a claim is unlabelled: {on_a_line(others)}" if others else ""
        yield remark(f"which words mean fraud{rest}")
    yield from entry("x-label", {"field": label.place, "fraud": fraud, "honest": honest})


def _has_signs(field: DraftField) -> bool:
    """True if the numbers have signs of a currency; a percent sign is read like one."""
    return any(sign in SIGNS for sign in field.guess.reading.get("currency", ()))


def _declared(field: DraftField, event: Mapping[str, str]) -> dict[str, Any]:
    kind = field.guess.kind
    found: dict[str, Any] = {"type": _TYPES[kind]}
    if kind == "date":
        found["format"] = "date"
    if kind == "text":
        longest = field.column.longest
        found["maxLength"] = next((n for n in LENGTHS if n >= 2 * longest), LENGTHS[-1])
    if kind == "number":
        found |= _bounds(field)
    found["x-role"] = field.role.role.value
    if field.name == event.get("amount") or _has_signs(field):
        found["x-unit"] = MONEY
    if field.role.entity and field.name != event["id"]:
        found["x-entity"] = roles.entity_of(field.role.entity)
    if field.place != field.name:
        found["x-from"] = field.place
    if field.guess.reading:
        found["x-read"] = field.guess.reading
    return found


def _bounds(field: DraftField) -> dict[str, int]:
    """Bounds with room: ten times what is there, and none below zero if nothing is."""
    reading = field.guess.reading
    read: Callable[[str], float] = float
    if not field.column.native or field.column.is_mixed:
        read = number_reader(
            reading.get("thousands", ""), reading.get("decimal", "."), reading.get("currency", ())
        )
    values = list(_numbers(field.column, read))
    digits = math.ceil(math.log10(max(1, *map(abs, values)))) + 1 if values else 9
    most = 10 ** min(digits, MAX_DIGITS)
    return {"minimum": 0 if min(values, default=0) >= 0 else -most, "maximum": most}


def _numbers(column: ColumnProfile, read: Callable[[str], float]) -> Iterator[float]:
    for text in column.counts:
        try:
            value = read(text)
        except ReadingError:  # said in a remark
            continue
        if math.isfinite(value):
            yield value


def _derived(event: Mapping[str, str], fields: Sequence[DraftField]) -> Iterator[str]:
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
