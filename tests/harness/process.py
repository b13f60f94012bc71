"""A command in a process of its own, for tests and benchmarks: started, watched, ended."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.broker import wait

ROOT: Final = Path(__file__).parents[2]


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """That of this process with changes, without what would set up the product's Kafka client."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("KAFKA_")}
    return {**inherited, **changes}


def module(name: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Command that runs a module of this project."""
    return [python, "-m", name, *arguments]


def die_with_parent() -> list[str]:
    """What to put before a command so that it never outlives us, if the system supports it."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


class Process:
    """A command that runs, with its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        cwd: Path = ROOT,
        own_session: bool = False,
    ) -> None:
        """Start it. From the main thread: it ends with the thread that started it.

        Args:
            command: program and arguments.
            env: its whole environment; see `environment`.
            log: file that its output is appended to.
            cwd: the folder it starts in.
            own_session: signals of the terminal, or to our group, do not reach it.
        """
        self._log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*die_with_parent(), *command], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=own_session,
            )  # fmt: skip

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> bool:
        """True while it runs.

        Raises:
            RuntimeError: it has ended by itself; with the end of what it printed.
        """
        if self.ended:
            raise RuntimeError(f"ended with {self.process.returncode}:\n{self.log[-3_000:]}")
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = wait.GENEROUS) -> int:
        """Ask it to stop; its exit code. It is killed if it does not stop in time."""
        self.process.send_signal(number)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def wait(self, seconds: float = wait.GENEROUS) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
