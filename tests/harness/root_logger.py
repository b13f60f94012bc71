"""The logging of this process, which a command configures, as it was before."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def same_afterwards() -> Iterator[None]:
    """Let the body send the logs of the process elsewhere, and undo that at its end."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
