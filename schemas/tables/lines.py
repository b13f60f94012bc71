"""JSON lines: one event a line; blank lines are left out."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from schemas.tables.rows import Row, Table, table

_MARK: Final = b"\xef\xbb\xbf"
MAX_LINE: Final = 8_000_000
"""Bytes; a claim has at most a million."""


def read_lines(name: str, source: BinaryIO) -> Table:
    """Read JSON lines."""
    return table(name, None, _rows(source))


def _rows(source: BinaryIO) -> Iterator[Row]:
    number = 0
    while line := source.readline(MAX_LINE):
        number += 1
        text = line.removeprefix(_MARK) if number == 1 else line
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            _skip(source)
            yield Row(number, b"", f"longer than {MAX_LINE:,} bytes")
        elif text.strip():
            yield Row(number, text, size=len(line))


def _skip(source: BinaryIO) -> None:
    """Read up to the end of the line."""
    while (rest := source.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass
