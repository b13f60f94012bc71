"""Acting at the moment the interpreter is about to do something (PEP 578): open, rename, look up.

So a test arranges what a crash or a full disk does at that moment, without changing any code.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

Act = Callable[..., object]

_acts: Final[list[tuple[str, Act]]] = []
_installed: Final[list[bool]] = []


@contextmanager
def before(event: str, act: Act) -> Iterator[None]:
    """Before each such event in the body, call `act` with its arguments.

    Args:
        event: one of the table of audit events in Python's documentation.
        act: what it raises is raised where the event happens, and prevents it.
    """
    if not _installed:  # once: a hook stays until the process ends
        sys.addaudithook(_hook)
        _installed.append(True)
    _acts.append((event, act))
    try:
        yield
    finally:
        _acts.remove((event, act))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for awaited, act in _acts:
        if awaited == event:
            act(*arguments)
