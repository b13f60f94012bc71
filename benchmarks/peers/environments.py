"""Environments of the peers: made once, from pinned versions, apart from each other."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

CACHE: Final = Path.home() / ".cache" / "claims-fraud-scorer"
HERE: Final = Path(__file__).resolve().parent
MARK: Final = ".made-from"


class NotInstallableError(Exception):
    """The peer cannot be had on this Python; says why in one line."""


def python_of(peer: str) -> str:
    """The interpreter of the peer's environment, made if it is missing or of other versions.

    Raises:
        NotInstallableError: pip could not install it.
    """
    folder = CACHE / f"bench-{peer}"
    wanted = _digest(peer)
    mark = folder / MARK
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        _make(folder, peer)
        mark.write_text(wanted, encoding="utf-8")
    return str(folder / "bin" / "python")


def _digest(peer: str) -> str:
    texts = [(HERE / f"{name}.txt").read_bytes() for name in (peer, "model")]
    return hashlib.sha256(b"".join([*texts, sys.version.encode()])).hexdigest()


def _make(folder: Path, peer: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = subprocess.run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet",
         "--disable-pip-version-check", "-r", str(HERE / f"{peer}.txt")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        lines = [line for line in made.stderr.splitlines() if line.startswith("ERROR")]
        shutil.rmtree(folder, ignore_errors=True)
        raise NotInstallableError(f"not installable: {(lines or ['pip failed'])[-1]}")
