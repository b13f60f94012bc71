"""Output arrives complete: piped, in a narrow terminal, in any encoding."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from consumer.__main__ import main as consume
from model.__main__ import main
from model.artifact.store import MANIFEST_FILE
from model.cli.signals import SIGNALS, until_stopped
from model.cli.terminal import plain_lines, show
from model.reports.table import TextTable
from tests.model.manifests import manifest

LONG = "20261123.152149-a-version-with-a-name-that-has-to-be-copied-" + "x" * 60
FOREIGN = "Prüfung-€-😀"
BRACKETED = "[red]bracketed"


class Terminal(io.TextIOWrapper):
    """Standard output or error: what was written, as bytes that arrived."""

    def __init__(self, encoding: str, *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
        self._tty = tty

    def isatty(self) -> bool:
        """True if a person looks at it."""
        return self._tty

    def text(self) -> str:
        """The output that arrived."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def listing(tmp_path: Path) -> list[str]:
    """The command that lists three versions, which are there as far as it looks at them."""
    for version in (LONG, FOREIGN, BRACKETED):
        (tmp_path / version).mkdir()
        content = msgspec.json.encode(manifest(version=version))
        (tmp_path / version / MANIFEST_FILE).write_bytes(content)
    return ["list", "--root", str(tmp_path)]


def shown(
    command: list[str], patch: pytest.MonkeyPatch, *, columns: int = 40, to: Terminal | None = None
) -> str:
    terminal = to or Terminal("utf-8")
    patch.setenv("COLUMNS", str(columns))
    patch.setenv("TERM", "xterm")
    with contextlib.redirect_stdout(terminal):
        assert main(command) == 0
    return terminal.text()


def test_a_piped_list_is_one_plain_line_a_version(
    listing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(listing, monkeypatch).splitlines()
    assert len(lines) == 4
    for version in (LONG, FOREIGN, BRACKETED):
        assert sum(f" {version} " in line for line in lines) == 1
    assert lines[0].split()[:2] == ["version", "algorithm"]


@pytest.mark.parametrize("columns", [40, 400])
def test_no_terminal_is_too_narrow_for_a_version(
    listing: list[str], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(listing, monkeypatch, columns=columns, to=Terminal("utf-8", tty=True))
    assert LONG in text
    assert BRACKETED in text
    assert ("┃" in text) == (columns == 400)


def test_a_list_for_programs(listing: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown([*listing, "--json"], monkeypatch).splitlines()
    found = {one["version"]: one for one in map(json.loads, lines)}
    assert found.keys() == {LONG, FOREIGN, BRACKETED}
    assert found[LONG]["current"] is False
    assert found[LONG]["manifest"]["version"] == LONG


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_takes_any_text(
    listing: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tty in (False, True):
        text = shown(listing, monkeypatch, columns=400, to=Terminal(encoding, tty=tty))
        for version in (LONG, FOREIGN):
            assert escaped(version, encoding) in text
    text = shown([*listing, "--json"], monkeypatch, to=Terminal(encoding))
    found = {json.loads(line)["version"] for line in text.splitlines()}
    assert found == {LONG, FOREIGN, BRACKETED}


def escaped(text: str, encoding: str) -> str:
    """The text with escapes of JSON where the encoding has no such character."""

    def one(character: str) -> str:
        known = character.encode(encoding, "ignore")
        return character if known else json.dumps(character).strip('"')

    return "".join(map(one, text))


def test_the_worker_escapes_what_the_terminal_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("ascii")
    monkeypatch.setenv("DELIVERY", "zweimal-für-€")
    with contextlib.redirect_stderr(terminal):
        assert consume(["serve"]) == 2
    assert "zweimal-f\\u00fcr-\\u20ac" in terminal.text()


def test_plain_lines_are_aligned_under_their_title(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["*", "a", "10"], ["", "longer", "9"]]
    table = TextTable(["", "name", "figure"], rows, "three", text=(0, 1))
    lines = ["three", "   name    figure", "*  a           10", "   longer       9"]
    assert plain_lines(table) == lines
    show(table)
    assert capsys.readouterr().out.splitlines() == lines
    assert plain_lines(table._replace(head=()))[1:] == ["*  a       10", "   longer   9"]


STOPPED = """
import os, signal, sys, time
from pathlib import Path
from model.artifact import store
from model.cli.signals import until_stopped

def command():
    with store._written_aside(Path(sys.argv[1]) / "m"):
        os.kill(os.getpid(), int(sys.argv[2]))
        time.sleep(60)
    return 0

sys.exit(until_stopped(command))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[] if number == signal.SIGTERM else pytest.mark.slow)
        for number in SIGNALS
    ],
)
def test_a_signal_ends_a_command_and_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path), str(int(number))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (128 + number, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_is_not_held_back_and_handlers_are_put_back(number: int) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]

    def command() -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            during.extend(signal.getsignal(n) for n in SIGNALS)
        return 0

    during: list[object] = []
    assert until_stopped(command) == 128 + number
    assert during == [signal.SIG_DFL] * 3
    assert [signal.getsignal(n) for n in SIGNALS] == before
