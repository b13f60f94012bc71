"""Open a file as a table, by the ending of its name."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from schemas.tables.delimited import read_delimited
from schemas.tables.encoding import SAMPLE_BYTES
from schemas.tables.lines import other_form, read_lines
from schemas.tables.parquet import read_parquet
from schemas.tables.rows import Lines, Row, Table, TableError
from schemas.tables.rows import table as rows_and_lines

DELIMITED: Final = (".csv", ".tsv", ".txt")
LINES: Final = (".jsonl", ".ndjson", ".json")
PARQUET: Final = (".parquet", ".pq")
BROKEN: Final = (OSError, EOFError, zlib.error)


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a file; the table can be read inside the block.

    Names end in .csv, .tsv, .txt (CSV of any delimiter), .jsonl, .ndjson, .json (JSON lines) or
    .parquet, .pq; all but the last two may end in .gz besides.

    Raises:
        TableError: it cannot be read, or its name has another ending.
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    ending = plain.suffix.lower()
    _refuse_special(path)
    if ending in PARQUET:
        yield read_parquet(path)
        return
    if ending not in DELIMITED + LINES:
        known = " ".join((*DELIMITED, *LINES, *PARQUET))
        raise TableError(f"{path.name}: the name ends in none of {known}, or those with .gz")
    try:
        with _opened(path) as source:
            yield _table(path.name, source, ending, _sample(path))
    except BROKEN as error:
        raise TableError(f"{path}: {error}") from error


def _table(name: str, source: BinaryIO, ending: str, sample: bytes) -> Table:
    if ending in LINES:
        other = other_form(sample)
        if other is not None:
            raise TableError(f"{name}: {other}")
        return _guarded(read_lines(name, source))
    return _guarded(read_delimited(name, sample, source))


def _guarded(table: Table) -> Table:
    """The table, with errors of reading named by its last line."""
    return rows_and_lines(table.name, table.header, _guard(table), table.notes)


def _guard(table: Table) -> Iterator[Row | Lines]:
    line = 0
    try:
        for part in table.parts:
            line = part.line if isinstance(part, Row) else part.first + part.size - 1
            yield part
    except BROKEN as error:
        raise TableError(f"{table.name}, after line {line}: {error}: copy it again") from error


def _sample(path: Path) -> bytes:
    with _opened(path) as source:
        return source.read(SAMPLE_BYTES)


def _refuse_special(path: Path) -> None:
    """Refuse what is not a file: a named pipe blocks whoever opens it."""
    if path.exists() and not path.is_file():
        raise TableError(f"{path}: not a regular file: save the data to one")


def _opened(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")
