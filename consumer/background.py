"""Threads that watch something while the process does its work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_background(run: Callable[[], object], name: str, stopped: threading.Event) -> Iterator[None]:
    """Run in a thread while the body runs.

    Args:
        run: returns soon after `stopped` is set.
        name: the thread's name.
        stopped: set when the body ends.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
