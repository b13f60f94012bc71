"""Tables on standard output: framed if they fit, otherwise or when piped as plain lines. Progress
and remarks on standard error.

Nothing is ever truncated, since names and versions are meant to be copied.
"""

import sys
from typing import Final

from rich.console import Console, JustifyMethod
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from model.reports.table import TextTable
from schemas.printable import printable, printable_lines

_GAP: Final = "  "
_ANY_WIDTH: Final = 100_000


def show(table: TextTable) -> None:
    """Print a table."""
    # The cells are plain text, not markup.
    console = Console(markup=False, emoji=False)
    framed = frame(table)
    if console.is_terminal and _width(console, framed) <= console.width:
        console.print(framed)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in plain_lines(table)))


def frame(table: TextTable) -> RichTable:
    """The table with lines around its cells, for a console without markup."""
    framed = RichTable(
        title=printable(table.title) or None, title_justify="left", show_header=bool(table.head)
    )
    for index, name in enumerate(table.head or table.rows[0]):
        justify: JustifyMethod = "left" if index in table.text else "right"
        framed.add_column(printable(name), justify=justify, overflow="fold")
    for row in table.rows:
        framed.add_row(*map(printable_lines, row))
    return framed


def counting() -> Progress:
    """Progress of work whose end is not known; shown on a terminal only."""
    console = Console(stderr=True, soft_wrap=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def remark(progress: Progress, line: str) -> None:
    """Write a line to standard error, above the progress if that is shown."""
    if progress.console.is_terminal:
        progress.console.print(printable(line), markup=False, highlight=False)
    else:
        sys.stderr.write(f"{printable(line)}\n")


def plain_lines(table: TextTable) -> list[str]:
    """The title and one line per row, in columns as wide as their longest cell."""
    lines = [list(map(printable, row)) for row in (table.head, *table.rows) if row]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        *([printable(table.title)] if table.title else []),
        *(_GAP.join(_padded(line, widths, table)).rstrip() for line in lines),
    ]


def _padded(cells: list[str], widths: list[int], table: TextTable) -> list[str]:
    return [
        cell.ljust(width) if index in table.text else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _width(console: Console, table: RichTable) -> int:
    options = console.options.update(width=_ANY_WIDTH)
    return console.measure(table, options=options).maximum
