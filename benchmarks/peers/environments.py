"""Environments of peers and earlier commits: made once, from pinned versions, each apart."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.harness.process import ROOT

CACHE: Final = Path.home() / ".cache" / "claims-fraud-scorer"
HERE: Final = Path(__file__).resolve().parent
LOCK: Final = "requirements/runtime.lock"
MARK: Final = ".made-from"


class NotInstallableError(Exception):
    """The peer cannot be had on this Python; says why in one line."""


def python_of(peer: str) -> str:
    """The interpreter of the peer's environment, made if it is missing or of other versions.

    Raises:
        NotInstallableError: pip could not install it.
    """
    return _python(f"bench-{peer}", HERE / f"{peer}.txt", HERE / "model.txt")


def python_of_tree(tree: Path) -> str:
    """An interpreter with the libraries that the lock in a tree names: ours, if ours is the same.

    Raises:
        NotInstallableError: pip could not install them.
    """
    lock = tree / LOCK
    if lock.read_bytes() == (ROOT / LOCK).read_bytes():
        return sys.executable
    name = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return _python(f"bench-lock-{name}", lock)


def _python(name: str, file: Path, *more: Path) -> str:
    """The interpreter of an environment made from a file that may refer to more."""
    folder = CACHE / name
    texts = [path.read_bytes() for path in (file, *more)]
    wanted = hashlib.sha256(b"".join([*texts, sys.version.encode()])).hexdigest()
    mark = folder / MARK
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        _make(folder, file)
        mark.write_text(wanted, encoding="utf-8")
    return str(folder / "bin" / "python")


def _make(folder: Path, file: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = subprocess.run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet",
         "--disable-pip-version-check", "-r", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        lines = [line for line in made.stderr.splitlines() if line.startswith("ERROR")]
        shutil.rmtree(folder, ignore_errors=True)
        raise NotInstallableError(f"not installable: {(lines or ['pip failed'])[-1]}")
