"""Checks whether anyone on the machine could replace what is loaded from a path.

As OpenSSH requires of keys (``StrictModes`` of sshd_config(5)), every folder on the path counts:
anyone who may write to one can put another folder in its place.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Modes are meaningful on POSIX only: Windows reports 0777 for every folder.
HAS_MODES: Final = os.name == "posix"


def open_to_all(
    path: Path, files: tuple[str, ...] = (), *, read_only_is_closed: bool = False
) -> Path | None:
    """The first world-writable place on the path to `path`; None if there is none.

    A folder with the sticky bit, like ``/tmp``, may be on the path: nobody can rename there
    what is not theirs. The bit of a file means nothing. Group write permission is left to
    the operator, who decides who belongs to the group.

    Args:
        path: a file or a folder, or a link to one.
        files: names in the folder that count as well; a missing one does not.
        read_only_is_closed: a file system that is mounted read-only counts as closed regardless
            of its modes: a Kubernetes ConfigMap is a folder of mode 0777 on such a mount.

    Raises:
        OSError: `path` does not exist.
    """
    end = path.resolve(strict=True)
    there = (end / name for name in files if (end / name).exists())
    for target in (path.absolute(), *there):
        for place in _on_the_way(target):
            if not HAS_MODES or not _open(place, end):
                continue
            if not read_only_is_closed or not _read_only(place):
                return place.resolve()
    return None


def _open(place: Path, end: Path) -> bool:
    """True if others may write there; a sticky folder is passable unless the path ends in it."""
    found = place.stat()
    sticky = found.st_mode & stat.S_ISVTX and stat.S_ISDIR(found.st_mode)
    passable = sticky and not os.path.samestat(found, end.stat())
    return bool(found.st_mode & stat.S_IWOTH) and not passable


def _read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _on_the_way(path: Path) -> Iterator[Path]:
    """From the root to `path`: every folder, and for a link the whole path of its target."""
    for place in (*reversed(path.parents), path):
        if place.is_symlink():
            yield from _on_the_way(place.parent / place.readlink())
        else:
            yield place
