"""Files that tests fetch from outside: once, into a folder shared by parallel runs."""

import fcntl
import re
import subprocess
from collections.abc import Callable
from pathlib import Path


def once(folder: Path, fetch: Callable[[], None]) -> Path:
    """The folder; `fetch` makes it if it is not there, in one process at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fetch()
    return folder


def java_version(java: str) -> int:
    """Major version of that program, 0 if it does not say."""
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', shown.stderr)
    return int(found[1]) if found else 0
