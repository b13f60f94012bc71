"""Which server the tests run on: one given, one in Docker, or one started natively."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Server = AbstractContextManager[str]
"""Runs for the length of the block; the value is its address."""


class NoServerError(Exception):
    """There is no way to a server here; the message is one line that says what to install."""


@contextlib.contextmanager
def provide(
    setting: str,
    container: Callable[[], Server],
    required: Callable[[], object],
    native: Callable[[], Server],
) -> Iterator[str]:
    """Run or find a server for the length of the block; the value is its address.

    Args:
        setting: variable of the environment that may give an address.
        container: runs it in Docker.
        required: checks that it can be started natively.
        native: does so.

    Raises:
        NoServerError: there is no way to one here.
    """
    if given := os.environ.get(setting):
        yield given
        return
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(container())
        except NoServerError as why:
            required()
            sys.stderr.write(f"tests: {why}: starting one natively, as {setting} is not set\n")
            address = stack.enter_context(native())
        yield address
