"""Writing files: an error names the file, and comes before the work where that is possible."""

import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        OSError: it cannot be written. The system's own error for a full disk names no file.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_folder(option: str, folder: Path) -> None:
    """Check that files can be made in a folder; nothing is left there.

    Args:
        option: that names the folder on the command line.
        folder: it may be missing, and so may folders above it.

    Raises:
        OSError: they cannot be; the message names the option and the place that refuses.
    """
    place = folder
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        with tempfile.TemporaryDirectory(prefix=".writable-", dir=place):
            return
    except OSError as error:
        raise OSError(
            f"{option} {folder}: nothing can be written to {place} ({error.strerror}): choose "
            "another place, or change its rights"
        ) from error


def check_file(option: str, path: Path) -> None:
    """Check that a file can be written; one that exists keeps its content.

    Args:
        option: that names the file on the command line.
        path: of the file; its folder must exist.

    Raises:
        OSError: it cannot be; the message names the option and the reason.
    """
    if not path.parent.is_dir():
        raise OSError(f"{option} {path}: {path.parent} is not a folder")
    if not path.exists():
        check_folder(option, path.parent)
        return
    try:
        path.open("ab").close()
    except OSError as error:
        raise OSError(f"{option} {path} cannot be written: {error.strerror}") from error
