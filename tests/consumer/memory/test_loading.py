"""The log is read before a claim is scored."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from consumer.memory.assembly import loaded
from consumer.stop import Stop
from consumer.telemetry.health import Loop


class Endless:
    """A memory whose log has no end."""

    def __init__(self) -> None:
        self.closed = False
        self.turns = 0

    def load(self, going_on: Callable[[], bool], progress: Callable[[int, int], object]) -> bool:
        while going_on():
            self.turns += 1
            progress(self.turns, 10**6)
            time.sleep(0.01)
        return False

    def close(self) -> None:
        self.closed = True


def test_a_signal_ends_the_reading_of_the_log_in_good_order() -> None:
    memory: Any = Endless()
    loop = Loop(lambda: float(memory.turns))
    with Stop(service=True, end=lambda _: None).listening() as stop:
        threading.Timer(0.3, signal.raise_signal, [signal.SIGTERM]).start()
        with loaded(memory, "claims-memory", loop, stop) as complete:
            assert not complete
            assert not memory.closed
    assert memory.turns > 1
    assert loop.stands_still() is None, "it counts as alive while it reads"
    assert memory.closed


def test_without_memory_there_is_nothing_to_read() -> None:
    stop = Stop(service=True, end=lambda _: None)
    with loaded(None, "claims-memory", Loop(), stop) as complete:
        assert complete
