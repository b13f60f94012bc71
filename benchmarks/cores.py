"""Which core does what: the broker has one, clients have the others."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple


class Cores(NamedTuple):
    """Cores by their numbers."""

    broker: frozenset[int]
    """The broker, and whatever does the measuring."""
    client: frozenset[int]
    """One core, for whatever is measured."""
    workers: frozenset[int]
    """Every core that several workers share."""


def plan() -> Cores:
    """The first core for the broker, the second for one client, all but the first for workers."""
    if not hasattr(os, "sched_getaffinity"):
        everything = frozenset(range(os.cpu_count() or 1))
        return Cores(everything, everything, everything)
    first, *others = sorted(os.sched_getaffinity(0))
    rest = frozenset(others) or frozenset({first})
    return Cores(frozenset({first}), frozenset({min(rest)}), rest)


@contextlib.contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Run the block, and whatever it starts, on these cores only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
