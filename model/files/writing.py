"""Writing files: an error names the file."""

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
