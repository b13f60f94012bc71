"""Events for rows of a file: what a sender would send, so that the same claims are decoded."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from schemas.contract.model import Contract, Field, MemberPath
from schemas.contract.places import places_of
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.members import member_at, without
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import CellFault, ColumnMapping, RowReader, at, present
from schemas.reading.dates import NAMED
from schemas.reading.value import PLAIN, value_reader
from schemas.reading.words import ReadingError
from schemas.tables.claims import row_reader
from schemas.tables.opening import open_table
from schemas.tables.rows import Table

Write = Callable[[Any], Any]
"""From a cell to what stands for it in an event."""


class Outgoing(NamedTuple):
    """What is to be sent for one row."""

    line: int
    event: bytes = b""
    claim: Any = None
    """What the event is decoded to; None if the row is no claim."""
    fault: CellFault | None = None


class OutgoingFile(NamedTuple):
    """A file whose claims are to be sent."""

    name: str
    rows: Iterator[Outgoing]
    columns: ColumnMapping | None
    """None of JSON lines."""


@contextlib.contextmanager
def open_outgoing(path: Path, decoder: ClaimDecoder) -> Iterator[OutgoingFile]:
    """Open a file of claims to send; its rows can be read inside the block.

    Args:
        path: of the file. An object of JSON lines is sent as it is, without its label.
        decoder: of the contract, as a worker has it.

    Raises:
        TableError: it cannot be read, or lacks a column.
    """
    with open_table(path) as table:
        if table.header is None:
            yield OutgoingFile(table.name, _lines(table, decoder), None)
            return
        reader = row_reader(table, decoder.contract)
        rows = _rows(table.only(reader.columns.fields), reader, decoder)
        yield OutgoingFile(table.name, rows, reader.columns)


def _lines(table: Table, decoder: ClaimDecoder) -> Iterator[Outgoing]:
    for row in table.rows:
        if row.fault:
            yield Outgoing(row.line, fault=CellFault("", "", row.fault))
            continue
        try:
            claim = decoder.decode(row.cells)
        except RefusedError as refused:
            yield Outgoing(row.line, fault=CellFault(refused.path, "", str(refused)))
        else:
            yield Outgoing(row.line, _without_label(row.cells.strip(), decoder.contract), claim)


def _without_label(event: bytes, contract: Contract) -> bytes:
    """The event without what was found about it, which nobody knows when a claim comes in."""
    read = {path for field in contract.fields.values() for path in places_of(field)}
    later = [p for p in (contract.label_path, contract.decided_path) if p and p not in read]
    if not later:
        return event
    raw = msgspec.Raw(event)
    for path in later:
        if member_at(raw, path) is not None:
            raw = msgspec.Raw(without(raw, path))
    return bytes(raw)


def _rows(table: Table, reader: RowReader, decoder: ClaimDecoder) -> Iterator[Outgoing]:
    writer = _EventWriter(decoder, reader)
    for number, row in enumerate(table.rows, start=1):
        if row.fault:
            yield Outgoing(row.line, fault=CellFault("", "", row.fault))
            continue
        try:
            claim = reader.claim(row.cells, number)
            event, decoded = writer.event(row.cells, claim)
        except RefusedError as refused:
            yield Outgoing(row.line, fault=reader.fault(refused, row.cells))
        else:
            if decoded is None:
                what = "its cells cannot be sent so that the same claim is decoded"
                yield Outgoing(row.line, fault=CellFault("", "", what))
            else:
                yield Outgoing(row.line, event, decoded)


class _EventWriter:
    """Writes the cells of a row into an event, each into the place it stands for."""

    def __init__(self, decoder: ClaimDecoder, reader: RowReader) -> None:
        self._decoder = decoder
        contract, columns = decoder.contract, reader.columns.slots
        self._cells = [
            (path, column, _writers(path, contract))
            for path, column in zip(reader.slots.paths, columns, strict=True)
            if column is not None
        ]
        self._numbered = [f for f in contract.fields.values() if f.said.row is not None]

    def event(self, cells: Sequence[Any], claim: Any) -> tuple[bytes, Any]:
        """The event, and the claim it is decoded to: None if that is not this one."""
        wanted = astuple(claim)
        event = b""
        for typed in (False, True):
            event = msgspec.json.encode(self._tree(cells, claim, typed=typed))
            try:
                decoded = self._decoder.decode(event)
            except RefusedError:
                if typed:
                    raise
                continue
            if astuple(decoded) == wanted:
                return event, decoded
        return event, None

    def _tree(self, cells: Sequence[Any], claim: Any, *, typed: bool) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path, column, (as_it_comes, as_value) in self._cells:
            cell = present(cells[column])
            if cell is not None:
                _put(tree, path, (as_value if typed else as_it_comes)(cell))
        for field in self._numbered:
            if all(at(tree, path) is None for path in field.places):
                _put(tree, field.places[0], getattr(claim, field.name))
        return tree


def _put(tree: dict[str, Any], path: MemberPath, value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    if value is not None:
        tree[path[-1]] = value


def _writers(path: MemberPath, contract: Contract) -> tuple[Write, Write]:
    """How cells are written that stand for a place: as they come, and as values of JSON."""
    field = next(f for f in contract.fields.values() if path in places_of(f))
    plain = field.reading is None and not contract.missing and path in field.places
    value = _as_value(value_reader(field.kind, PLAIN))
    return (value if plain else _as_it_comes(field, contract)), value


def _as_value(read: Callable[[Any], Any]) -> Write:
    def write(cell: Any) -> Any:
        try:
            return read(cell)
        except ReadingError:
            return cell

    return write


def _as_it_comes(field: Field, contract: Contract) -> Write:
    """Texts are kept; days, which JSON has not, are written in a form that the field is read in."""
    forms = [form for form in (field.reading or PLAIN).forms or ("%Y-%m-%d",) if form not in NAMED]
    read = value_reader(field.kind, field.reading or PLAIN, contract.missing)

    def write(cell: Any) -> Any:
        if isinstance(cell, float) and cell != cell:  # noqa: PLR0124 - NaN
            return None
        if not isinstance(cell, dt.date):
            return cell
        day = cell.date() if isinstance(cell, dt.datetime) else cell
        return next((t for t in map(day.strftime, forms) if _is(read, t, day)), day.isoformat())

    return write


def _is(read: Callable[[Any], Any], text: str, day: dt.date) -> bool:
    try:
        return bool(read(text) == day)
    except ReadingError:
        return False


def key_of(contract: Contract, claim: Any) -> str:
    """What keeps claims in order: the contract's key, or the id of a claim that has none."""
    event = contract.event
    key = None if event.key is None else getattr(claim, event.key)
    return str(getattr(claim, event.id) if key is None else key)
