"""Claims of a file, many at once: for whoever needs every claim and no label."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import compress, groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from schemas.columnar.parting import parted
from schemas.columnar.reader import ColumnReader
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import CellFault, ColumnMapping
from schemas.decoding.size import MAX_CLAIM_BYTES, check_size
from schemas.tables.claims import row_reader
from schemas.tables.opening import open_table
from schemas.tables.rows import Lines, Row, Table

BATCH_ROWS: Final = 4_096
CHARACTERS: Final = 8_000_000
"""Of rows that are read in one piece, whatever their number."""


class Rejected(NamedTuple):
    """A row that is no claim."""

    line: int
    fault: CellFault


class ClaimBatch(NamedTuple):
    """Some rows of a file, in its order."""

    claims: Sequence[Any]
    lines: Sequence[int]
    """Line on which each claim begins; of Parquet, the number of its row."""
    rejected: Sequence[Rejected]
    unknown: Sequence[tuple[str, ...]] = ()
    """Of each claim, the names in its JSON that the contract does not know; empty of tables."""


class BatchFile(NamedTuple):
    """A file of claims that is being read."""

    name: str
    batches: Iterator[ClaimBatch]
    notes: tuple[str, ...]
    columns: ColumnMapping | None
    """None of JSON lines."""


@contextlib.contextmanager
def open_batches(path: Path, decoder: ClaimDecoder, size: int = BATCH_ROWS) -> Iterator[BatchFile]:
    """Open a file of claims; its batches can be read inside the block.

    Args:
        path: of the file.
        decoder: of the contract.
        size: rows of a batch.

    Raises:
        TableError: it cannot be read, or lacks a column.
    """
    with open_table(path) as table:
        if table.header is None:
            yield BatchFile(table.name, _events(table, decoder, size), table.notes, None)
            return
        rows = row_reader(table, decoder.contract)
        reader = ColumnReader(decoder.contract, rows)
        batches = _rows(table.only(rows.columns.fields), reader, size)
        yield BatchFile(table.name, batches, table.notes, rows.columns)


def _events(table: Table, decoder: ClaimDecoder, size: int) -> Iterator[ClaimBatch]:
    for rows in _portions(table.rows, size):
        claims, unknown, lines, rejected = [], [], [], []
        for row in rows:
            if row.fault:
                rejected.append(Rejected(row.line, CellFault("", "", row.fault)))
                continue
            try:
                claim, names = _event(row.cells, decoder)
            except RefusedError as refused:
                rejected.append(Rejected(row.line, CellFault(refused.path, "", str(refused))))
            else:
                claims.append(claim)
                unknown.append(names)
                lines.append(row.line)
        yield ClaimBatch(claims, lines, rejected, unknown)


def _event(line: bytes, decoder: ClaimDecoder) -> tuple[Any, tuple[str, ...]]:
    """As a worker reads it."""
    if len(line) > MAX_CLAIM_BYTES:
        check_size(line.strip())  # its end is not sent
    return decoder.read(line)


def _rows(table: Table, reader: ColumnReader, size: int) -> Iterator[ClaimBatch]:
    before = 0
    for chunk in _chunks(table, size):
        batch = _of_lines(chunk, reader) if isinstance(chunk, Lines) else None
        if batch is not None:
            yield batch
            before += len(batch.lines)
            continue
        rows = list(chunk.rows()) if isinstance(chunk, Lines) else chunk
        yield _of_rows(rows, reader, range(before + 1, before + len(rows) + 1))
        before += len(rows)


def _chunks(table: Table, size: int) -> Iterator[list[Row] | Lines]:
    """Rows, or lines in one piece: as many as a batch has, except before the other kind."""
    for kind, parts in groupby(table.parts, type):
        if kind is Lines:
            yield from _pieces(cast(Iterator[Lines], parts), size)
        else:
            yield from _portions(cast(Iterator[Row], parts), size)


def _portions(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """As many rows as a batch has, or fewer long ones."""
    waiting: list[Row] = []
    characters = 0
    for row in rows:
        waiting.append(row)
        characters += row.size
        if len(waiting) >= size or characters >= CHARACTERS:
            yield waiting
            waiting, characters = [], 0
    if waiting:
        yield waiting


def _pieces(parts: Iterator[Lines], size: int) -> Iterator[Lines]:
    waiting: list[Lines] = []
    count = characters = 0
    for part in parts:
        waiting.append(part)
        count += part.size
        characters += len(part.text)
        if count >= size or characters >= CHARACTERS:
            yield _joined(waiting)
            waiting, count, characters = [], 0, 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[Lines]) -> Lines:
    text = "\n".join(part.text for part in parts)
    return parts[0]._replace(size=sum(part.size for part in parts), text=text)


def _of_lines(lines: Lines, reader: ColumnReader) -> ClaimBatch | None:
    """Their claims; None if one of them is none, or they are not that simple."""
    columns = parted(lines.text, lines.size, lines.delimiter, lines.width, reader.used)
    if columns is None:
        return None
    claims = reader.read_coded(columns, lines.size)
    if claims is None:
        return None
    return ClaimBatch(claims, range(lines.first, lines.first + lines.size), [])


def _of_rows(rows: Sequence[Row], reader: ColumnReader, numbers: Sequence[int]) -> ClaimBatch:
    whole = [(number, row) for row, number in zip(rows, numbers, strict=True) if not row.fault]
    read = reader.read([row.cells for _, row in whole], [number for number, _ in whole])
    lines = [row.line for _, row in whole]
    torn = [Rejected(row.line, CellFault("", "", row.fault)) for row in rows if row.fault]
    bad = compress(lines, [not accepted for accepted in read.accepted])
    refused = [Rejected(*pair) for pair in zip(bad, read.faults, strict=True)]
    accepted = list(compress(lines, read.accepted))
    return ClaimBatch(read.claims, accepted, sorted([*torn, *refused]))
