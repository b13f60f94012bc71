"""Reading files that decide what the program does: models, rules, keys, tokens."""

import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from model.files.permissions import open_to_all
from schemas.unreadable import UNREADABLE

Kind = TypeVar("Kind")


class FileError(Exception):
    """A file cannot be used; the message says why, without the file's name."""


def read(path: Path) -> bytes:
    """The content of a regular file.

    Opening does not wait: a named pipe that nobody writes to would stop the program for ever.

    Raises:
        FileError: it is missing, unreadable or not a regular file.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError("not a regular file")
            return file.read()
    except OSError as error:
        raise FileError(error.strerror or str(error)) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_trusted(path: Path) -> bytes:
    """The content of a regular file that not everybody on the machine may replace.

    Raises:
        FileError: as `read`; or everybody may write to the file or to a folder that leads to it.
    """
    refuse_writable(path)
    return read(path)


def refuse_writable(path: Path) -> None:
    """Check that not everybody on the machine may replace a file.

    Raises:
        FileError: everybody may, or it cannot be found out because there is no such file.
    """
    try:
        place = open_to_all(path, read_only_is_closed=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        raise FileError(getattr(error, "strerror", None) or str(error)) from error
    if place is not None:
        raise FileError(f"anyone on this machine can write to {place}: chmod o-w {place}")


def decode(content: bytes, kind: type[Kind]) -> Kind:
    """JSON of that type.

    Raises:
        FileError: it is not; also when a string is not UTF-8, or it is nested too deeply to read.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        raise FileError(str(error)) from error
