"""Standard output and error of every command: any text in any terminal encoding, readers that go
away, and disks that are full.
"""

import argparse
import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

NOBODY_READS: Final = 141
"""Exit code if the reader of the output has gone away; a shell's code for SIGPIPE."""
NOT_WRITTEN: Final = 1
_UNWRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

_ESCAPE: Final = "claims.escape"


class Parser(argparse.ArgumentParser):
    """A command line whose help is either written or an error; subcommands inherit this.

    argparse ignores that its help cannot be written and exits with 0.
    """

    def print_help(self, file: IO[str] | None = None) -> None:  # type: ignore[override]
        """Write the help.

        Raises:
            OSError: it cannot be written.
        """
        (file or sys.stdout).write(self.format_help())


class _Closed(io.TextIOBase):
    """Standard output that was closed: what is written there is lost, which is an error."""

    def write(self, text: str) -> int:
        if text:
            raise OSError(errno.EBADF, "standard output is closed")
        return 0

    def fileno(self) -> int:
        return 1


def accept_any_text() -> None:
    r"""Write characters that a stream's encoding lacks as ``\uXXXX`` instead of failing.

    The escapes are those of JSON, as pairs beyond the first plane, so that JSON stays JSON.
    """
    codecs.register_error(_ESCAPE, _escaped)
    # What the parent process has closed.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = _Closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPE)


def written(command: Callable[[], int]) -> int:
    """Run a command and make sure that its output is written; returns the exit code.

    No traceback if the reader of the output has gone away (``… | head -1``) or a disk is full.
    """
    accept_any_text()
    try:
        try:
            code = command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The remaining buffer would be written, and fail, again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except OSError as error:
        if error.errno not in _UNWRITTEN:
            raise
        sys.stderr.write(f"error: the output could not be written: {error.strerror}\n")
        if error.errno != errno.EBADF:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_WRITTEN
    return code


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)), error.end
