"""A deadline outside the Kafka client for calls that may exceed their own timeout.

librdkafka's ``send_offsets_to_transaction`` can block past the timeout it was given (issues
5456 and 5511 of librdkafka). A worker stuck there holds its partitions forever, so the process
ends: an uncommitted transaction leaves nothing behind, and the next start takes over.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.errors import STUCK_EXIT_CODE

log = logging.getLogger(__name__)


def _exit() -> None:
    os._exit(STUCK_EXIT_CODE)


class Watchdog:
    """Ends the process if a step takes longer than `seconds`.

    Steps may run in several threads at once; each is watched separately.
    """

    def __init__(
        self,
        seconds: float,
        on_expiry: Callable[[], None] = _exit,
        stepped: Callable[[], object] = lambda: None,
    ) -> None:
        """Start watching, in a thread of its own.

        Args:
            seconds: how long a step may take.
            on_expiry: called when one takes longer.
            stepped: called when one begins or ends, in the thread that takes it.
        """
        self._seconds = seconds
        self._on_expiry = on_expiry
        self._stepped = stepped
        self._deadlines: dict[int, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._stopped = threading.Event()
        self._thread.start()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Watch the enclosed calls."""
        key = threading.get_ident()
        with self._lock:
            self._deadlines[key] = (time.monotonic() + self._seconds, name)
        self._stepped()
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.pop(key, None)
            self._stepped()

    def overdue(self) -> str | None:
        """Name of a step that has used over half its deadline; reported as unhealthy."""
        limit = time.monotonic() + self._seconds / 2
        with self._lock:
            return next((name for end, name in self._deadlines.values() if end < limit), None)

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(min(0.5, self._seconds / 4)):
            now = time.monotonic()
            with self._lock:
                late = [name for end, name in self._deadlines.values() if end < now]
            if late:
                log.critical("stuck: %s took longer than %.0f s", late[0], self._seconds)
                self._on_expiry()
