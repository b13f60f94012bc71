"""Claims of a file, one by one, with what was found about them and what is wrong with the rest."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas.contract.model import Contract, MemberPath
from schemas.contract.places import json_path
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.members import member_at
from schemas.decoding.refusal import RefusedError, in_words
from schemas.decoding.rows import CellFault, ColumnError, ColumnMapping, LabelReader, RowReader
from schemas.printable import listed
from schemas.reading.words import ReadingError
from schemas.tables.opening import open_table
from schemas.tables.rows import Row, Table, TableError
from schemas.unreadable import UNREADABLE


class ReadRow(NamedTuple):
    """What became of one row."""

    line: int
    claim: Any = None
    """None if it is none."""
    label: bool | None = None
    """True for fraud, false for none, None where it is not known."""
    fault: CellFault | None = None
    decided: dt.date | None = None
    """When the label became known, if the file says it."""


class ClaimFile(NamedTuple):
    """A file of claims that is being read."""

    name: str
    rows: Iterator[ReadRow]
    notes: tuple[str, ...]
    columns: ColumnMapping | None
    """None of JSON lines."""


@contextlib.contextmanager
def open_claims(path: Path, contract: Contract) -> Iterator[ClaimFile]:
    """Open a file of claims; its rows can be read inside the block.

    Raises:
        TableError: it cannot be read, or lacks a column.
    """
    with open_table(path) as table:
        if table.header is None:
            rows = _events(table, contract)
            yield ClaimFile(table.name, rows, table.notes, None)
            return
        reader = row_reader(table, contract)
        rows = _cells(table.only(reader.columns.used), reader)
        yield ClaimFile(table.name, rows, table.notes, reader.columns)


def row_reader(table: Table, contract: Contract) -> RowReader:
    """A reader of the rows of a table that has a header.

    Raises:
        TableError: the table lacks a column.
    """
    header = table.header or ()
    try:
        return RowReader(contract, header)
    except ColumnError as error:
        raise TableError(f"{table.name}, line 1: {error}. It has: {listed(header)}") from error


def _cells(table: Table, reader: RowReader) -> Iterator[ReadRow]:
    for number, row in enumerate(table.rows, start=1):
        if row.fault:
            yield ReadRow(row.line, fault=CellFault("", "", row.fault))
            continue
        try:
            claim = reader.claim(row.cells, number)
            decided = reader.decided(row.cells)
        except RefusedError as refused:
            yield ReadRow(row.line, fault=reader.fault(refused, row.cells))
        except ReadingError as error:
            at_column = (table.header or ())[reader.columns.decided or 0]
            yield ReadRow(row.line, fault=CellFault(at_column, "", str(error)))
        else:
            yield ReadRow(row.line, claim, reader.label(row.cells), decided=decided)


def _events(table: Table, contract: Contract) -> Iterator[ReadRow]:
    decoder, labels = ClaimDecoder(contract), LabelReader(contract)
    for row in table.rows:
        yield _event(row, decoder, labels)


def _event(row: Row, decoder: ClaimDecoder, labels: LabelReader) -> ReadRow:
    if row.fault:
        return ReadRow(row.line, fault=CellFault("", "", row.fault))
    try:
        claim = decoder.decode(row.cells)
    except RefusedError as refused:
        return ReadRow(row.line, fault=CellFault(refused.path, "", str(refused)))
    label_path, decided_path = decoder.contract.label_path, decoder.contract.decided_path
    path = label_path
    try:
        label = _found(row.cells, path)
        path = decided_path
        decided = labels.decided(_found(row.cells, path)) if path else None
    except UNREADABLE as error:
        return ReadRow(row.line, fault=CellFault(json_path(path), "", in_words(error)))
    except ReadingError as error:
        return ReadRow(row.line, fault=CellFault(json_path(path), "", str(error)))
    return ReadRow(row.line, claim, labels.read(label), decided=decided)


def _found(event: bytes, path: MemberPath) -> Any:
    """What an event has at a place; None for nothing, and for no place."""
    found = member_at(msgspec.Raw(event), path) if path else None
    return None if found is None else msgspec.json.decode(found)
