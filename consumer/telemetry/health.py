"""Readiness and health, judged by what the process does, not by whether the port answers.

Health is made of checks; each returns what is wrong, or None. A process has the checks for what it
does: the HTTP endpoint has no loop and no partitions, the process that reads outcomes no model.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

LOOP_LIMIT_S: Final = 45.0
PROGRESS_LIMIT_S: Final = 120.0

Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


class Health:
    """What the probes answer; the first check that fails is the reason."""

    def __init__(self, ready: Sequence[Check] = (), healthy: Sequence[Check] = ()) -> None:
        """Collect checks.

        Args:
            ready: whether work can be done now.
            healthy: whether the process need not be restarted.
        """
        self._ready = ready
        self._healthy = healthy

    def unready(self) -> str | None:
        """Why no work can be done now, or None when ready."""
        return _first(self._ready)

    def unhealthy(self) -> str | None:
        """Why the process should be restarted, or None when healthy."""
        return _first(self._healthy)


def _first(checks: Sequence[Check]) -> str | None:
    return next((fault for fault in (check() for check in checks) if fault), None)


class Loop:
    """What a loop over partitions last did. Written by the loop, read by the HTTP thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock, which counts seconds."""
        self._clock = clock
        self._turned = self._progressed = clock()
        self.assigned = 0
        """Partitions that are read."""
        self.lag = 0
        self.stopping = False

    def turned(self) -> None:
        """The loop began a turn, or the next step of a transaction, which has its own limit."""
        self._turned = self._clock()

    def progressed(self) -> None:
        """A batch was committed."""
        self._progressed = self._clock()

    def leaving(self) -> str | None:
        """A readiness check: the loop is not about to end."""
        return "stopping" if self.stopping else None

    def without_partitions(self) -> str | None:
        """A readiness check: there is something to read."""
        return None if self.assigned else "no partitions assigned"

    def stands_still(self) -> str | None:
        """A health check: the loop turns."""
        still = self._clock() - self._turned
        return f"the loop has not turned for {still:.0f} s" if still > LOOP_LIMIT_S else None

    def falls_behind(self) -> str | None:
        """A health check: there is progress, or nothing to do."""
        idle = self._clock() - self._progressed
        if self.lag and idle > PROGRESS_LIMIT_S:
            return f"lag of {self.lag} and no commit for {idle:.0f} s"
        return None


class Loaded:
    """The model in service, for a readiness check."""

    def __init__(self, version: str | None = None) -> None:
        self.version = version

    def missing(self) -> str | None:
        """A readiness check: there is a model."""
        return None if self.version else "no model loaded"


def overdue(step: Callable[[], str | None]) -> Check:
    """A health check: no step takes too long.

    Args:
        step: names one that does.
    """

    def check() -> str | None:
        name = step()
        return f"{name} is taking too long" if name else None

    return check


def health_of_worker(model: Loaded, loop: Loop, step: Callable[[], str | None]) -> Health:
    """A model, partitions and a loop that turns; `step` names what takes too long."""
    return Health(
        ready=(loop.leaving, model.missing, loop.without_partitions),
        healthy=(overdue(step), loop.stands_still, loop.falls_behind),
    )
