"""Whether anybody on the machine could exchange what is loaded from a path.

As OpenSSH asks of keys (``StrictModes`` of sshd_config(5)), every folder on the way counts: whoever
may write to one can put another folder in its place.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Modes say something on POSIX only: Windows answers 0777 for every folder.
HAS_MODES: Final = os.name == "posix"


def open_to_all(path: Path, files: tuple[str, ...] = ()) -> Path | None:
    """The first place on the way to `path` that others may write to; None when there is none.

    A folder with the sticky bit, like ``/tmp``, may be passed through: nobody can rename there
    what is not theirs. What a group may write to is left to whoever says who is in it.

    Args:
        path: a folder, or a link to one.
        files: names in the folder that count as well; a missing one does not.

    Raises:
        OSError: `path` does not exist.
    """
    folder = path.resolve(strict=True)
    own = folder.stat()
    there = (folder / name for name in files if (folder / name).exists())
    for target in (path.absolute(), *there):
        for place in _on_the_way(target):
            found = place.stat()
            passable = found.st_mode & stat.S_ISVTX and not os.path.samestat(found, own)
            if HAS_MODES and found.st_mode & stat.S_IWOTH and not passable:
                return place.resolve()
    return None


def _on_the_way(path: Path) -> Iterator[Path]:
    """From the root to `path`: every folder, and for a link all that leads to where it points."""
    for place in (*reversed(path.parents), path):
        if place.is_symlink():
            yield from _on_the_way(place.parent / place.readlink())
        else:
            yield place
