"""Reading files that decide what the program does: models, rules, keys, tokens."""

import os
import stat
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from model.files.permissions import open_to_all
from schemas.unreadable import UNREADABLE

_Kind = TypeVar("_Kind")


class FileError(Exception):
    """A file cannot be used; the message says why, without the file's name."""


MOST_BYTES: Final = 10_000_000
"""Of a file that is read as a whole; those that this product writes have less than a tenth."""


def read(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    Opening does not wait: a named pipe that nobody writes to would block the program forever.
    A file may claim any size, without taking space on the disk, so no more is read than expected.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        FileError: it is missing, unreadable, too large or not a regular file.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise FileError("not a regular file")
            # Files of /proc have no size, and others may grow.
            content = b"" if found.st_size > most else file.read(most + 1)
            if max(found.st_size, len(content)) > most:
                raise FileError(f"larger than {most:,} bytes, the most that is read")
            return content
    except OSError as error:
        raise FileError(error.strerror or str(error)) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_trusted(path: Path) -> bytes:
    """The content of a regular file that cannot be replaced by everyone on the machine.

    Raises:
        FileError: as `read`; or the file or a folder leading to it is world-writable.
    """
    refuse_writable(path)
    return read(path)


def refuse_writable(path: Path) -> None:
    """Check that a file cannot be replaced by everyone on the machine.

    Raises:
        FileError: it can, or this cannot be determined because there is no such file.
    """
    try:
        place = open_to_all(path, read_only_is_closed=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        raise FileError(getattr(error, "strerror", None) or str(error)) from error
    if place is not None:
        raise FileError(f"anyone on this machine can write to {place}: chmod o-w {place}")


def decode(content: bytes, kind: type[_Kind]) -> _Kind:
    """Decode JSON of that type.

    Raises:
        FileError: it does not match; also if a string is not UTF-8, or it is nested too deeply.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        raise FileError(str(error)) from error
