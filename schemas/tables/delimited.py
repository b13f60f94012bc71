"""CSV: any delimiter and encoding, with quoted cells that may contain line ends.

The standard library's reader is used, which knows the line of every row; a reader of whole columns
fills short rows up without a word.
"""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Protocol, Self

from schemas.tables.encoding import NAMES, SAMPLE_BYTES, delimiter_of, encoding_of
from schemas.tables.lines import MAX_LINE
from schemas.tables.rows import Row, Table, TableError


class Reader(Protocol):
    """The part of a reader of CSV that is used here."""

    line_num: int

    def __next__(self) -> list[str]: ...


class _Lines:
    """The lines of a text; those of one row are limited together."""

    def __init__(self, name: str, text: io.TextIOWrapper) -> None:
        self._name = name
        self._text = text
        self._number = 0
        self.room = MAX_LINE

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self.room + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self.room -= len(line)
        if self.room < 0:
            raise TableError(
                f"{self._name}, line {self._number}: a row of more than {MAX_LINE:,} characters: "
                "end the lines, or close the quotation marks"
            )
        return line


def read_delimited(name: str, sample: bytes, source: BinaryIO) -> Table:
    """Read CSV.

    Args:
        name: of the file, for messages.
        sample: its beginning.
        source: the whole of it.

    Raises:
        TableError: it has no header.
    """
    encoding = encoding_of(sample)
    codec = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
    beginning = sample.decode(codec, "replace")
    if len(sample) >= SAMPLE_BYTES:
        beginning = beginning[: beginning.rfind("\n") + 1] or beginning
    delimiter = delimiter_of(beginning)
    text = io.TextIOWrapper(source, codec, errors="surrogateescape", newline="")
    lines = _Lines(name, text)
    cells = csv.reader(lines, delimiter=delimiter)
    header = _header(name, cells)
    return Table(
        name,
        header,
        _rows(name, cells, lines, len(header)),
        (f"encoding {encoding.removesuffix('-sig')}", f"delimiter {NAMES[delimiter]}"),
    )


def _header(name: str, cells: Reader) -> tuple[str, ...]:
    try:
        header = tuple(cell.strip() for cell in next(cells, []))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{name}, line 1: {error}") from error
    if not all(map(_is_text, header)):
        column = next(n for n, cell in enumerate(header, start=1) if not _is_text(cell))
        raise TableError(
            f"{name}, line 1: the name of column {column} is not in the file's encoding: save it "
            "again as UTF-8"
        )
    if not any(header):
        raise TableError(f"{name}, line 1: no names of columns: put them into the first line")
    return header


def _rows(name: str, cells: Reader, lines: _Lines, width: int) -> Iterator[Row]:
    while True:
        lines.room = MAX_LINE
        line = cells.line_num + 1
        try:
            found = next(cells)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, [], f"{error}; up to line {cells.line_num}")
            continue
        except UnicodeDecodeError as error:
            raise TableError(f"{name}, after line {line - 1}: {error}: save it again") from error
        if found:
            yield Row(line, found, _fault(found, width, cells.line_num - line))


def _fault(found: list[str], width: int, more_lines: int) -> str:
    if len(found) != width:
        what = f"{len(found)} cells, and the header has {width}"
        over = f", over {more_lines + 1} lines: a quotation mark is not closed"
        return what + (over if more_lines else "")
    if not all(map(_is_text, found)):
        column = next(n for n, cell in enumerate(found, start=1) if not _is_text(cell))
        return f"cell {column} is not in the file's encoding"
    return ""


def _is_text(cell: str) -> bool:
    return cell.isascii() or not any("\udc80" <= c <= "\udcff" for c in cell)
