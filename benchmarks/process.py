"""A measured program: started on its cores, watched, ended."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks.cores import pinned
from tests.broker import jars

ROOT: Final = Path(__file__).resolve().parent.parent
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
GRACE_S: Final = 10


class Usage(NamedTuple):
    """Resources used so far by a program and its children."""

    cpu_s: float
    resident_mib: float


def _inherited() -> dict[str, str]:
    # The product would take the broker's version for a property of its Kafka client.
    return {name: text for name, text in os.environ.items() if name != jars.VARIABLE}


class Program:
    """A process with its output in a file."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], cores: frozenset[int]
    ) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self.started = time.perf_counter()
        with pinned(cores):
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**_inherited(), **ONE_THREAD, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
            )
        self._watched = psutil.Process(self._process.pid)

    def check(self) -> None:
        """Raise if it ended by itself.

        Raises:
            RuntimeError: with the end of what it printed.
        """
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with {self._process.returncode}: {self.tail()}")

    def tail(self, size: int = 1_500) -> str:
        """The end of what it printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-size:]

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
        self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.output.close()


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], cores: frozenset[int]
) -> Iterator[Program]:
    """The program for the length of the block."""
    program = Program(command, environment, cores)
    try:
        yield program
    finally:
        program.end()


def module(name: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Command that runs a module of this project."""
    return [python, "-m", name, *arguments]
