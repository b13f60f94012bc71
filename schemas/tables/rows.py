"""What a file is read as: rows, each with its line, and what is wrong with it."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class TableError(ValueError):
    """A file cannot be read; the message names it, the place and what to do."""


class Row(NamedTuple):
    """One row."""

    line: int
    """Line of the file it begins on, from 1; of Parquet, the number of the row."""
    cells: Any
    """Values by column; of JSON lines, the line's bytes."""
    fault: str = ""
    """Why the row cannot be read; "" if it can."""


class Table(NamedTuple):
    """A file that is being read."""

    name: str
    header: tuple[str, ...] | None
    """Names of the columns; None of JSON lines, whose rows name their members."""
    rows: Iterator[Row]
    notes: tuple[str, ...] = ()
    """What was found out about the file: its encoding, its delimiter."""
