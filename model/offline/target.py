"""Where results go: a file that appears when it is complete, or standard output."""

import contextlib
import gzip
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from model.files.writing import check_file

LEVEL: Final = 4
"""Of compression: near the size of the default, in a third of its time."""


def check_target(option: str, path: Path, others: dict[str, Path]) -> None:
    """Check that a file can be written, before the work.

    Args:
        option: that names the file on the command line.
        path: of the file.
        others: files that it must not be, by the options that name them.

    Raises:
        OSError: it cannot be written.
        ValueError: it is one of the others, or not a regular file.
    """
    for other, used in others.items():
        same = path.exists() and used.exists() and path.samefile(used)
        if same or path.absolute() == used.absolute():
            raise ValueError(f"{option} {path} is the file of {other}: choose another name")
    if path.exists() and not path.is_file():
        raise ValueError(f"{option} {path} is not a regular file: choose another name")
    check_file(option, path)


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file to write; its name is given to it at the end of the block, if no error ends it.

    Args:
        path: of the file, packed with gzip if it ends in .gz; None is standard output.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    end = path.resolve()  # a link is kept, and what it leads to is replaced
    part = end.with_name(f".{end.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with _packed(part, gz=path.suffix.lower() == ".gz") as file:
            yield file
        part.replace(end)
    except OSError as error:
        if error.filename is not None:
            raise
        # The system's own error for a full disk names no file.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _packed(part: Path, *, gz: bool) -> Iterator[BinaryIO]:
    with part.open("xb") as file:
        if gz:
            with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())
