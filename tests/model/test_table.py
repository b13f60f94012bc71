"""One table, shown in three ways: the same cells in each, none of them obeyed."""

import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from model.cli.terminal import frame, plain_lines, show
from model.reports.table import TextTable, html, markdown

HOSTILE = "\x1b[2J|a\nb<script>*[red]"
TABLE = TextTable(
    ["name", "kind", "value"], [["a", HOSTILE, "0.5000"], ["b", "", "-"]], text=(0, 1)
)


class Cells(HTMLParser):
    """Tags that were opened, and the text of every cell."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[tuple[str, bool]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in {"td", "th"}:
            self.cells.append(("", ("class", "text") in attrs))

    def handle_data(self, data: str) -> None:
        if self.cells and data.strip():
            text, left = self.cells[-1]
            self.cells[-1] = text + data, left


def test_html_shows_every_cell_and_aligns_figures_on_the_right() -> None:
    page = Cells(html(TABLE))
    assert set(page.tags) == {"div", "table", "tr", "th", "td"}
    every = [*TABLE.head, *TABLE.rows[0], *TABLE.rows[1]]
    assert [text for text, _ in page.cells] == every
    assert [left for _, left in page.cells] == [True, True, False] * 3


def test_markdown_shows_every_cell_literally() -> None:
    head, below, first, second = markdown(TABLE)
    assert head == "| name | kind | value |"
    assert below == "|---|---|---:|"
    assert second == "| b |  | - |"
    assert first.isprintable()
    assert first.endswith("| 0.5000 |")
    bare = re.sub(r"\\.", "", first)
    assert bare.count("|") == head.count("|")
    assert not set("<>*[]") & set(bare)


def test_a_terminal_obeys_no_cell(capsys: pytest.CaptureFixture[str]) -> None:
    show(TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "<script>*[red]" in lines[1]
    console = Console(markup=False, emoji=False, width=200, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(frame(TABLE))
    assert "\x1b[2J" not in captured.get()
    assert "<script>*[red]" in captured.get()


def test_each_way_shows_a_title_and_needs_no_head() -> None:
    bare = TextTable((), [["a", "1"], ["bc", "10"]], "two & more")
    assert plain_lines(bare) == ["two & more", "a    1", "bc  10"]
    assert Cells(html(bare)).tags == ["div", "table", "caption", *["tr", "td", "td"] * 2]
    assert markdown(TABLE._replace(title="two & more"))[:2] == ["two \\& more", ""]


def test_a_table_without_rows() -> None:
    empty = TABLE._replace(rows=[])
    assert plain_lines(empty) == ["name  kind  value"]
    assert markdown(empty)[1:] == ["|---|---|---:|"]
    assert plain_lines(TextTable((), [], "nothing")) == ["nothing"]
