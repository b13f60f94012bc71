"""A measured program: started on its cores, watched, ended."""

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks.cores import pinned
from tests.harness.process import ROOT, Process, environment

ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
GRACE_S: Final = 10


class Usage(NamedTuple):
    """Resources used so far by a program and its children."""

    cpu_s: float
    resident_mib: float


class Program(Process):
    """A process that is measured; its output goes to a file that is deleted at the end."""

    def __init__(
        self,
        command: Sequence[str],
        changes: Mapping[str, str],
        cores: frozenset[int],
        cwd: Path = ROOT,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()  # removed in `end`
        self.started = time.perf_counter()
        own = {**ONE_THREAD, "PYTHONPATH": str(ROOT), **changes}
        with pinned(cores):
            super().__init__(command, environment(own), Path(self._folder.name) / "log", cwd=cwd)
        self._watched = psutil.Process(self.process.pid)

    def tail(self, size: int = 1_500) -> str:
        """The end of what it printed."""
        return self.log[-size:]

    def usage(self) -> Usage:
        """CPU seconds and resident memory of it and its children."""
        family = [self._watched, *self._watched.children(recursive=True)]
        times = [process.cpu_times() for process in family]
        memory = sum(process.memory_info().rss for process in family)
        return Usage(sum(t.user + t.system for t in times), memory / 2**20)

    def end(self) -> None:
        """Ask it to stop; make it stop."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in self._watched.children(recursive=True):
                child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(seconds=GRACE_S)
        self._folder.cleanup()


@contextlib.contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str],
    cores: frozenset[int],
    cwd: Path = ROOT,
) -> Iterator[Program]:
    """The program, for the duration of the block."""
    program = Program(command, environment, cores, cwd)
    try:
        yield program
    finally:
        program.end()
