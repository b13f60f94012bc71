"""SIGTERM, SIGINT and SIGHUP, obeyed within seconds whatever Kafka does; SIGQUIT at once.

Python runs signal handlers between two steps of the main thread, and a call into the Kafka client
is one step, however long it waits. So a thread detects a signal through the descriptor that the
interpreter writes to immediately, asks the command to stop, and ends the process if it does not.
"""

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, Self, TextIO

from consumer.errors import UNKNOWN_EXIT_CODE

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_IF_NOT_IGNORED: Final = frozenset({signal.SIGHUP, signal.SIGQUIT})
"""`nohup` and shells that start something in the background have them ignored, and mean it."""
LIMIT_S: Final = 8.0
"""Seconds from the first signal to the end of any process: `docker stop` kills after 10."""
SAME_S: Final = 0.5
"""`make`, `timeout` and terminals may deliver the same request twice."""


def obeyed() -> tuple[signal.Signals, ...]:
    """The signals that end this process: all but those it was started to ignore."""
    return tuple(
        number
        for number in SIGNALS
        if number not in _IF_NOT_IGNORED or signal.getsignal(number) is not signal.SIG_IGN
    )


def end_at_once() -> None:
    """End on a signal until `Stop` listens: process 1 of a container has no default action."""

    def end(number: int, _: object) -> NoReturn:
        os._exit(128 + number)

    for number in obeyed():
        signal.signal(number, end)


class Stop:
    """A request to stop. Until a command defines how it is asked, a signal ends the process
    immediately: nothing is in flight until then.
    """

    def __init__(
        self,
        *,
        service: bool,
        end: Callable[[int], object] = os._exit,
        same_s: float = SAME_S,
        within_s: float = LIMIT_S,
    ) -> None:
        """Start without a request.

        Args:
            service: stopping is how the command ends, so the exit code is 0. Other commands
                have not finished their work: 128 plus the signal number.
            end: ends the process with an exit code.
            same_s: seconds for which another signal is the same request.
            within_s: seconds from the signal to the end.
        """
        self._service = service
        self._end = end
        self._same_s = same_s
        self._ask: Callable[[], object] | None = None
        self._unknown: Callable[[], str | None] = lambda: None
        self._within_s = within_s
        self._interrupts = False
        self._since = 0.0
        self.number: int | None = None
        """The first signal."""

    @property
    def asked(self) -> bool:
        """True if a signal has arrived."""
        return self.number is not None

    @property
    def code(self) -> int:
        """Exit code of a command that was stopped."""
        return 0 if self._service or self.number is None else 128 + self.number

    def gracefully(
        self,
        ask: Callable[[], object] = lambda: None,
        unknown: Callable[[], str | None] = lambda: None,
    ) -> None:
        """From now on, ask; the process ends by itself, or is ended when time is up.

        Args:
            ask: called once, in another thread.
            unknown: describes work in flight whose outcome is unknown; None if there is none.
        """
        self._unknown, self._ask = unknown, ask

    def by_interrupt(self) -> None:
        """From now on, a signal raises KeyboardInterrupt in the main thread, once."""
        self._interrupts = True
        self.gracefully()

    def agreed(self, question: str, terminal: TextIO) -> bool:
        """Ask for a yes. Nothing is in flight: until told otherwise, a signal ends the
        process at once.
        """
        self.gracefully(ask=lambda: os._exit(self.code))
        sys.stdout.flush()
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return terminal.readline().strip().lower() in {"y", "yes"}

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Obey signals while the body runs. Only in the main thread."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(write_end, False)
        wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._handle) for number in obeyed()}
        thread = threading.Thread(target=self._watch, args=(read_end,), name="stop", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(write_end)
            thread.join()
            os.close(read_end)

    def _handle(self, *_: object) -> None:
        if self._interrupts:
            self._interrupts = False
            raise KeyboardInterrupt

    def _watch(self, read_end: int) -> None:
        while True:
            ready, _, _ = select.select([read_end], [], [], self._left())
            if not ready:
                log.warning("not stopped within %.0f s: exiting anyway", self._within_s)
                self._finish()
                return
            received = os.read(read_end, 64)
            if not received:
                return
            for number in received:
                if number in SIGNALS:
                    self._received(number)

    def _left(self) -> float | None:
        if self.number is None:
            return None
        return max(0.0, self._since + self._within_s - time.monotonic())

    def _received(self, number: int) -> None:
        first = self.number is None
        if first:
            self.number, self._since = number, time.monotonic()
        if number == signal.SIGQUIT or (not first and self._is_another(number)):
            self._service, self.number = False, number
            self._finish()
        elif first:
            (self._ask or self._finish)()

    def _is_another(self, number: int) -> bool:
        """True for a second Ctrl-C."""
        return number == signal.SIGINT and time.monotonic() - self._since > self._same_s

    def _finish(self) -> None:
        unknown = self._unknown()
        if unknown is not None:
            log.error("ended without an answer from Kafka: %s", unknown)
        self._end(self.code if unknown is None else UNKNOWN_EXIT_CODE)
