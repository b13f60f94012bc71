"""What a file is read as: rows, each with its line, and what is wrong with it."""

from collections.abc import Callable, Iterator, Sequence
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
    size: int = 0
    """Characters or bytes it was read from, roughly; 0 if that is not known."""


class Lines(NamedTuple):
    """Lines without quotation marks and carriage returns: each is a row, or blank."""

    first: int
    """Number of the first in the file, from 1."""
    size: int
    text: str
    """Without the end of the last."""
    delimiter: str
    width: int
    """Cells of a row, by the header."""

    def rows(self) -> Iterator[Row]:
        """Their rows."""
        for number, line in enumerate(self.text.split("\n"), start=self.first):
            if line:
                cells = line.split(self.delimiter)
                simple = len(cells) == self.width and line.isascii()
                yield Row(number, cells, "" if simple else fault(cells, self.width))


Narrow = Callable[[frozenset[int]], Iterator[Row | Lines]]
"""From the numbers of columns to the parts of a table that has no others."""


class Table(NamedTuple):
    """A file that is being read."""

    name: str
    header: tuple[str, ...] | None
    """Names of the columns; None of JSON lines, whose rows name their members."""
    parts: Iterator[Row | Lines]
    """Rows, and lines that nobody has parted yet."""
    rows: Iterator[Row]
    """Every row of `parts`, which are either read themselves or by this."""
    notes: tuple[str, ...] = ()
    """What was found out about the file: its encoding, its delimiter."""
    narrowed: Narrow | None = None
    """Reads some columns only, where that saves time and memory."""

    def only(self, columns: frozenset[int]) -> "Table":
        """The table for whoever looks at these columns only; other cells may be None.

        To be called before anything is read.
        """
        if self.narrowed is None:
            return self
        return table(self.name, self.header, self.narrowed(columns), self.notes)


def table(
    name: str,
    header: tuple[str, ...] | None,
    parts: Iterator[Row | Lines],
    notes: tuple[str, ...] = (),
    narrowed: Narrow | None = None,
) -> Table:
    """The table with these parts."""
    return Table(name, header, parts, _rows(parts), notes, narrowed)


def _rows(parts: Iterator[Row | Lines]) -> Iterator[Row]:
    for part in parts:
        if isinstance(part, Lines):
            yield from part.rows()
        else:
            yield part


def fault(cells: Sequence[str], width: int, more_lines: int = 0) -> str:
    """What is wrong with a row of CSV; "" if nothing is.

    Args:
        cells: of the row.
        width: how many there should be.
        more_lines: on which the row goes on.
    """
    if len(cells) != width:
        what = f"{len(cells)} cells, and the header has {width}"
        over = f", over {more_lines + 1} lines: a quotation mark is not closed"
        return what + (over if more_lines else "")
    if not is_text("".join(cells)):
        column = next(n for n, cell in enumerate(cells, start=1) if not is_text(cell))
        return f"cell {column} is not in the file's encoding"
    return ""


def is_text(cell: str) -> bool:
    """False if it contains what is not in the file's encoding."""
    return cell.isascii() or not any("\udc80" <= c <= "\udcff" for c in cell)
