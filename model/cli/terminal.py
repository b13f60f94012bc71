"""Tables on standard output: framed if they fit, otherwise or when piped as plain lines.

Nothing is ever truncated, since names and versions are meant to be copied.
"""

import sys
from typing import Final

from rich.console import Console
from rich.table import Table

_GAP: Final = "  "
_ANY_WIDTH: Final = 100_000


def show(table: Table) -> None:
    """Print a table."""
    # The cells are plain text, not markup.
    console = Console(markup=False, emoji=False)
    if console.is_terminal and _width(console, table) <= console.width:
        console.print(table)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in plain_lines(table)))


def plain_lines(table: Table) -> list[str]:
    """The title and one line per row, in columns as wide as their longest cell."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    if table.show_header:
        columns = [
            [str(column.header), *cells]
            for column, cells in zip(table.columns, columns, strict=True)
        ]
    right = [column.justify == "right" for column in table.columns]
    padded = [_padded(cells, right=at) for cells, at in zip(columns, right, strict=True)]
    rows = [_GAP.join(row).rstrip() for row in zip(*padded, strict=True)]
    return [*([str(table.title)] if table.title else []), *rows]


def _padded(cells: list[str], *, right: bool) -> list[str]:
    width = max(map(len, cells), default=0)
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _width(console: Console, table: Table) -> int:
    options = console.options.update(width=_ANY_WIDTH)
    return console.measure(table, options=options).maximum
