"""``python -m pictures``: run the demo, train a model, and draw what they show."""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pictures import browser

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
ROOT: Final = FOLDER.parents[1]
LARGEST_BYTES: Final = 300_000
COLUMNS: Final = 116
WAIT_S: Final = 60.0
ERASE_LINE: Final = "\x1b[2K"
CURSOR: Final = ("\x1b[?25l", "\x1b[?25h")
CONTROLS: Final = re.compile(r"(\n|\r|\x1b\[\d+A|\x1b\[2K|\x1b\[\?25[lh])")
"""The ones that rich's progress and status displays use."""
THEME: Final = TerminalTheme(
    (250, 250, 252), (36, 41, 47),
    [(36, 41, 47), (179, 38, 30), (27, 115, 64), (138, 90, 0), (31, 95, 191), (122, 79, 163),
     (20, 120, 130), (110, 118, 129)],
)  # fmt: skip


def main() -> int:
    """Draw every picture; without a browser, those that need none."""
    chosen = argparse.ArgumentParser(prog="python -m pictures", description=main.__doc__)
    chosen.add_argument("--claims", type=int, default=20_000, help="of the demo (20000)")
    claims: int = chosen.parse_args().claims
    FOLDER.mkdir(exist_ok=True)
    _keep("demo.svg", terminal(demo(claims)))
    program = browser.found()
    if program is None:
        sys.stderr.write("no Chromium: page.png and report.png are left as they are\n")
        return 0
    with tempfile.TemporaryDirectory() as folder, browser.page(program) as window:
        model = Path(folder) / "model"
        _module("model", "train", "--data", "synthetic", "--alert-share", "0.05",
                "--output", str(model))  # fmt: skip
        _keep("report.png", report(window, model))
        _keep("page.png", page(window, model))
    return 0


def demo(claims: int) -> str:
    """What the demo prints, in the colours of a terminal."""
    forced = {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "METRICS_PORT": "0"}
    return _module("consumer", "demo", "--claims", str(claims), **forced)


def terminal(output: str) -> bytes:
    """The last state of a terminal, as a drawing."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(Text("$ make demo", style="bold"))
    console.print(Text.from_ansi(last_state(output)), soft_wrap=True)
    drawn = console.export_svg(title="make demo", theme=THEME)
    # Whoever looks at the picture loads no font from another site.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).encode()


def last_state(output: str) -> str:
    """What is left on the screen once everything that is erased has been."""
    rows, at = [""], 0
    for part in CONTROLS.split(output):
        if part == "\n":
            at += 1
            rows += [""] * (at == len(rows))
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            at -= int(up[1])
        elif part == ERASE_LINE:
            rows[at] = ""
        elif part != "\r" and part not in CURSOR:
            rows[at] += part
    return "\n".join(rows).rstrip()


def report(window: browser.Page, model: Path) -> bytes:
    """The top of the report that training wrote."""
    window.open((model / "report.html").as_uri(), 1120, 1000)
    window.wait_for("[...document.images].every(image => image.complete)")
    window.run("document.querySelector('figure').scrollIntoView()")
    return window.screenshot()


def page(window: browser.Page, model: Path) -> bytes:
    """The page of the HTTP endpoint, with an example scored."""
    with _served(model) as address:
        window.open(address, 1180, 860)
        window.run("document.querySelector('#examples button:nth-child(2)').click()")
        window.run("document.querySelector('#score').click()")
        window.wait_for("document.querySelector('#probability').textContent !== ''")
        return window.screenshot()


@contextlib.contextmanager
def _served(model: Path) -> Iterator[str]:
    """The HTTP endpoint with this model, on a free port."""
    environ = {**os.environ, "MODEL_DIR": str(model), "API_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "consumer", "serve"],
        cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if port := re.search(r"listening on port (\d+)", line):
                address = f"http://127.0.0.1:{port[1]}/"
                _until_it_answers(address)
                yield address
                return
        raise RuntimeError("the server did not start")
    finally:
        process.terminate()
        process.wait()


def _until_it_answers(address: str) -> None:
    give_up = time.monotonic() + WAIT_S
    while True:
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(address):
            return
        if time.monotonic() > give_up:
            raise RuntimeError(f"{address} does not answer")
        time.sleep(0.1)


def _module(name: str, *arguments: str, **environ: str) -> str:
    """Run ``python -m``; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT, env={**os.environ, **environ}, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return done.stdout.decode()


def _keep(name: str, content: bytes) -> None:
    if len(content) > LARGEST_BYTES:
        raise RuntimeError(f"{name} has {len(content):,} bytes, more than {LARGEST_BYTES:,}")
    (FOLDER / name).write_bytes(content)
    sys.stdout.write(f"{name}: {len(content):,} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
