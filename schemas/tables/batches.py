"""Claims of a file, many at once: for whoever needs every claim and no label."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import compress, count, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.decoding.columns import ColumnReader
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import Columns, Fault
from schemas.tables.claims import row_reader
from schemas.tables.opening import open_table
from schemas.tables.rows import Row, Table

BATCH_ROWS: Final = 4_096


class Rejected(NamedTuple):
    """A row that is no claim."""

    line: int
    fault: Fault


class ClaimBatch(NamedTuple):
    """Some rows of a file, in its order."""

    claims: Sequence[Any]
    lines: Sequence[int]
    """Line on which each claim begins; of Parquet, the number of its row."""
    rejected: Sequence[Rejected]


class BatchFile(NamedTuple):
    """A file of claims that is being read."""

    name: str
    batches: Iterator[ClaimBatch]
    notes: tuple[str, ...]
    columns: Columns | None
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
        reader = ColumnReader(decoder.contract, row_reader(table, decoder.contract))
        yield BatchFile(table.name, _rows(table, reader, size), table.notes, reader.rows.columns)


def _chunks(table: Table, size: int) -> Iterator[list[Row]]:
    while rows := list(islice(table.rows, size)):
        yield rows


def _events(table: Table, decoder: ClaimDecoder, size: int) -> Iterator[ClaimBatch]:
    for rows in _chunks(table, size):
        claims, lines, rejected = [], [], []
        for row in rows:
            if row.fault:
                rejected.append(Rejected(row.line, Fault("", "", row.fault)))
                continue
            try:
                claims.append(decoder.decode(row.cells))
                lines.append(row.line)
            except RefusedError as refused:
                rejected.append(Rejected(row.line, Fault(refused.path, "", str(refused))))
        yield ClaimBatch(claims, lines, rejected)


def _rows(table: Table, reader: ColumnReader, size: int) -> Iterator[ClaimBatch]:
    numbers = count(1)
    for rows in _chunks(table, size):
        numbered = zip(rows, numbers, strict=False)
        whole = [(number, row) for row, number in numbered if not row.fault]
        read = reader.read([row.cells for _, row in whole], [number for number, _ in whole])
        lines = [row.line for _, row in whole]
        torn = [Rejected(row.line, Fault("", "", row.fault)) for row in rows if row.fault]
        bad = compress(lines, [not accepted for accepted in read.accepted])
        refused = [Rejected(*pair) for pair in zip(bad, read.faults, strict=True)]
        yield ClaimBatch(
            read.claims, list(compress(lines, read.accepted)), sorted([*torn, *refused])
        )
