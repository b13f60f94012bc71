"""CSV: any delimiter and encoding, with quoted cells that may contain line ends.

Lines without quotation marks are split, and the standard library reads the others: both know the
line of every row. A reader of whole columns fills short rows up without a word.
"""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol, Self

from schemas.tables.encoding import NAMES, SAMPLE_BYTES, delimiter_of, encoding_of
from schemas.tables.lines import MAX_LINE
from schemas.tables.rows import Lines, Row, Table, TableError, fault, is_text, table

BLOCK: Final = 65_536
"""Characters of lines that are read at once."""
MAX_BLOCK: Final = 2 * BLOCK
"""Characters; lines of a longer block are read one by one, as one of them is long."""
MAX_COLUMNS: Final = 20_000
"""A line of that many names is rather a file without line ends than a header."""


class CsvReader(Protocol):
    """The part of a reader of CSV that is used here."""

    def __next__(self) -> list[str]: ...


class _Lines:
    """The lines of a text, one by one or many at once; those of one row are limited together."""

    def __init__(self, name: str, text: io.TextIOWrapper) -> None:
        self._name = name
        self._text = text
        self._block = io.StringIO()
        self._size = 0
        self.number = 0
        """Of the last line."""
        self.room = MAX_LINE

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._block.readline(self.room + 1) or self._text.readline(self.room + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.room -= len(line)
        if self.room < 0:
            raise TableError(
                f"{self._name}, line {self.number}: a row of more than {MAX_LINE:,} characters: "
                "end the lines, or close the quotation marks"
            )
        return line

    @property
    def in_block(self) -> bool:
        """True if lines are left of a block in which some are not plain."""
        return self._block.tell() < self._size

    def plain_block(self) -> str | None:
        """The next lines, if each is a row whose cells the delimiter parts.

        None if they have to be read one by one; "" at the end of the text.
        """
        block = self._text.read(BLOCK)
        if block and not block.endswith("\n"):
            block += self._text.readline(MAX_LINE + 1)
        plain = block.replace("\r\n", "\n")
        if '"' in plain or "\r" in plain or len(plain) > MAX_BLOCK:
            self._block, self._size = io.StringIO(block, newline=""), len(block)
            return None
        return plain


def read_delimited(name: str, sample: bytes, source: BinaryIO) -> Table:
    """Read CSV.

    Args:
        name: of the file, for messages.
        sample: its beginning.
        source: the whole of it.

    Raises:
        TableError: it has no header.
    """
    # The limit on a row comes first: past the one on a cell the reader goes on inside that cell.
    csv.field_size_limit(MAX_LINE)
    encoding = encoding_of(sample, whole=len(sample) < SAMPLE_BYTES)
    codec = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
    beginning = sample.decode(codec, "replace")
    if len(sample) >= SAMPLE_BYTES:
        beginning = beginning[: beginning.rfind("\n") + 1] or beginning
    delimiter = delimiter_of(beginning)
    text = io.TextIOWrapper(source, codec, errors="surrogateescape", newline="")
    lines = _Lines(name, text)
    cells = csv.reader(lines, delimiter=delimiter)
    header = _header(name, cells)
    return table(
        name,
        header,
        _parts(name, cells, lines, len(header), delimiter),
        (f"encoding {encoding.removesuffix('-sig')}", f"delimiter {NAMES[delimiter]}"),
    )


def _header(name: str, cells: CsvReader) -> tuple[str, ...]:
    try:
        header = tuple(map(str.strip, next(cells, [])))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{name}, line 1: {error}") from error
    if len(header) > MAX_COLUMNS:
        raise TableError(
            f"{name}, line 1: {len(header):,} columns; {MAX_COLUMNS:,} are allowed: does the file "
            "have lines, and a first one with their names?"
        )
    if not all(map(is_text, header)):
        column = next(n for n, cell in enumerate(header, start=1) if not is_text(cell))
        raise TableError(
            f"{name}, line 1: the name of column {column} is not in the file's encoding: save it "
            "again as UTF-8"
        )
    if not any(header):
        raise TableError(f"{name}, line 1: no names of columns: put them into the first line")
    return header


def _parts(
    name: str, cells: CsvReader, lines: _Lines, width: int, delimiter: str
) -> Iterator[Row | Lines]:
    while True:
        try:
            block = lines.plain_block()
        except UnicodeDecodeError as error:
            raise _undecodable(name, lines.number, error) from error
        if block is None:
            yield from _quoted(name, cells, lines, width)
        elif not block:
            return
        else:
            text = block.removesuffix("\n")
            plain = Lines(lines.number + 1, text.count("\n") + 1, text, delimiter, width)
            lines.number += plain.size
            yield plain


def _quoted(name: str, cells: CsvReader, lines: _Lines, width: int) -> Iterator[Row]:
    """Rows of a block of which some are quoted; the last one may end behind it."""
    while lines.in_block:
        lines.room = MAX_LINE
        line = lines.number + 1
        try:
            found = next(cells)
        except csv.Error as error:  # what follows may be inside the cell: none of it is a row
            raise TableError(f"{name}, line {line}: {error}: save it again") from error
        except UnicodeDecodeError as error:
            raise _undecodable(name, line - 1, error) from error
        if found:
            broken = fault(found, width, lines.number - line)
            yield Row(line, found, broken, MAX_LINE - lines.room)


def _undecodable(name: str, line: int, error: UnicodeDecodeError) -> TableError:
    return TableError(f"{name}, after line {line}: {error}: save it again")
