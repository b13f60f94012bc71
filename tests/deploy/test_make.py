"""The Makefile: values go to the programs as they are."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOWS = """#!/bin/sh
for argument in "$@"; do echo "<$argument>"; done
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose Python shows what it is given."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(SHOWS)
    python.chmod(0o755)
    for made in ("bin/pip", ".ready", ".runtime"):
        (tmp_path / made).touch()
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize("data", ["my history.jsonl", 'it\'s; "mine" & `yours`.jsonl', "a,b.jsonl"])
def test_a_file_name_is_one_argument(environment: Path, data: str) -> None:
    for target in ("train", "demo"):
        command = ["make", "--silent", target, f"VENV={environment}", f"DATA={data}"]
        shown = subprocess.run(
            [*command, "OUTPUT=my models/current"],
            cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        assert shown[shown.index("<--data>") + 1] == f"<{data}>"
        if target == "train":
            assert shown[shown.index("<--output>") + 1] == "<my models/current>"
