"""A request that waits on the event loop for what another thread reports."""

import asyncio
import threading

from consumer.web.forwarding import Untaken


class Waiting:
    """What has become of the records of one request."""

    def __init__(self, count: int) -> None:
        """Expect so many reports. On the event loop."""
        self._found: list[Untaken | None] = [Untaken.TIMEOUT] * count
        self._left = count
        self._loop = asyncio.get_running_loop()
        self._all = self._loop.create_future()
        self._lock = threading.Lock()
        self._ended = False

    def report(self, number: int, found: Untaken | None) -> None:
        """What has become of a record; once for each, from any thread."""
        with self._lock:
            self._found[number] = found
            self._left -= 1
            # A request that no longer waits may have outlived its event loop.
            if not self._left and not self._ended:
                self._loop.call_soon_threadsafe(self._wake)

    async def answer(self, seconds: float) -> list[Untaken | None]:
        """Wait for every report, or so long; a record without one has timed out."""
        try:
            await asyncio.wait([self._all], timeout=seconds)
        finally:
            with self._lock:
                self._ended = True
        return list(self._found)

    def _wake(self) -> None:
        if not self._all.done():
            self._all.set_result(None)
