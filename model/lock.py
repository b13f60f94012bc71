"""One process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others who ask for the same folder waiting until the block ends.

    It is an advisory lock of the folder itself (flock(2)): nothing is written, and the kernel
    takes it back when the process dies.

    Raises:
        OSError: there is no such folder.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)
