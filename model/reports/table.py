"""One kind of table, for every place where one is shown: as HTML, as Markdown, in a terminal
(`model.cli.terminal`).
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

# An underscore inside a word is not escaped, so that field names stay readable.
_MARKUP: Final = re.compile(r"[\\`*\[\]<>|&#~$]|(?<![^\W_])_|_(?![^\W_])")
_MARKUP_AT_START: Final = re.compile(r"^[-+=](?=\s)|(?<=^\d)[.)]")


class TextTable(NamedTuple):
    """Cells of plain text, each row as long as the others."""

    head: Sequence[str]
    """Names of the columns; empty for a table without any."""
    rows: Sequence[Sequence[str]]
    title: str = ""
    text: Sequence[int] = (0,)
    """Indices of the columns of text. The others are figures, which are aligned on the right."""


def html(table: TextTable) -> str:
    """A table for a page in which the class ``text`` is aligned on the left."""
    lines = [_row("th", table.head, table.text)] if table.head else []
    lines += [_row("td", row, table.text) for row in table.rows]
    title = f"<caption>{escape(table.title)}</caption>\n" if table.title else ""
    return f'<div class="wide"><table>{title}' + "\n".join(lines) + "\n</table></div>"


def _row(tag: str, cells: Sequence[str], text: Sequence[int]) -> str:
    kinds = (' class="text"' if index in text else "" for index in range(len(cells)))
    shown = (
        f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True)
    )
    return f"<tr>{''.join(shown)}</tr>"


def markdown(table: TextTable) -> list[str]:
    """Lines of a Markdown table, whose cells are shown literally."""
    below = ["---" if index in table.text else "---:" for index in range(len(table.head))]
    title = [plain(table.title), ""] if table.title else []
    return [*title, _line(map(_cell, table.head)), f"|{'|'.join(below)}|"] + [
        _line(map(_cell, row)) for row in table.rows
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Foreign text as Markdown that shows it literally: one line, no markup, no HTML."""
    return _MARKUP_AT_START.sub(r"\\\g<0>", _cell(text))


def _cell(text: str) -> str:
    """The same within a line."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return _MARKUP.sub(r"\\\g<0>", " ".join(shown.split()))


def number(value: float | None) -> str:
    """A figure in a table: `-` if undefined, integers without decimals."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def percent(share: float | None) -> str:
    """A share as a percentage, `-` if undefined."""
    return "-" if share is None else f"{share:.1%}"
