"""Readiness and health, judged by what the worker does, not by whether the port answers."""

import time
from collections.abc import Callable
from typing import Final

LOOP_LIMIT_S: Final = 45.0
PROGRESS_LIMIT_S: Final = 120.0


class Health:
    """The worker's last actions. Written by the worker, read by the HTTP thread."""

    def __init__(
        self,
        overdue: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        *,
        loops: bool = True,
    ) -> None:
        """Start the clock.

        Args:
            overdue: returns the name of a step that takes too long.
            clock: seconds.
            loops: True if there is a main loop; the HTTP endpoint has none.
        """
        self._loops = loops
        self._clock = clock
        self._overdue = overdue
        self._turned = self._progressed = clock()
        self.model: str | None = None
        self.assigned = 0
        self.lag = 0
        self.stopping = False

    def turned(self) -> None:
        """The loop completed an iteration."""
        self._turned = self._clock()

    def progressed(self) -> None:
        """A batch was committed."""
        self._progressed = self._clock()

    def unready(self) -> str | None:
        """The reason why no work can be done now, or None if ready."""
        if self.stopping:
            return "stopping"
        if self.model is None:
            return "no model loaded"
        if not self.assigned:
            return "no partitions assigned"
        return None

    def unhealthy(self) -> str | None:
        """The reason why the process should be restarted, or None if healthy.

        Healthy means: the loop is running, no step of a transaction is overdue, and there is
        progress or nothing to do.
        """
        now = self._clock()
        if step := self._overdue():
            return f"{step} is taking too long"
        if self._loops and now - self._turned > LOOP_LIMIT_S:
            return f"the main loop has been stuck for {now - self._turned:.0f} s"
        if self.lag and now - self._progressed > PROGRESS_LIMIT_S:
            return f"a lag of {self.lag} and no commit for {now - self._progressed:.0f} s"
        return None
