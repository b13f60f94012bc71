"""Locates the shared public data sets, which are not part of the project."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDER = Path(os.environ.get("CLAIMS_DATA_DIR") or _DEFAULT)


def shared(name: str) -> str:
    """Path of a shared file; skips the test when it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path}: set CLAIMS_DATA_DIR to the folder of {name}")
    return str(path)
