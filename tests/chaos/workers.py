"""A fleet of real workers, restarted as an orchestrator would restart them."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.chaos.hooks import Plan
from tests.chaos.launch import Event, Request

ROOT = Path(__file__).parents[2]
RESTART_AFTER = 0.3
RUN = ("run",)
APPLY = ("memory", "apply")
UP: Mapping[tuple[str, ...], str] = {
    RUN: "scoring claims-",
    APPLY: "filling the database from ",
}
"""Logged by a process of a command once it handles signals and has partitions, or is about to."""


class Worker:
    """One member of the fleet, over its restarts."""

    def __init__(self, name: str, request: Request, *, keep: bool) -> None:
        self.name = name
        self.request = request
        self.keep = keep
        """Start it again whenever it ends."""
        self.pid: int | None = None
        self.starts = 0
        self.codes: list[int] = []
        self.restart_at = 0.0
        self.gone = False
        """Ended by the fault, permanently: it is not expected to stop cleanly."""

    def up(self) -> bool:
        """True if its current process has begun to handle signals, and did not give up."""
        log = Path(self.request.log)
        told = log.read_text() if log.exists() else ""
        up = UP.get(self.request.arguments)
        said = up is not None and up in told and "\nerror: " not in told
        return self.pid is not None and said

    def signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Launcher:
    """The process that forks workers. One serves many rounds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.launch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        self._buffered = b""
        self._waiting: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, request: Request) -> int:
        """Start a worker; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(request) + b"\n")
        self._process.stdin.flush()
        while True:
            for event in self._read(10.0):
                if event.kind == "started":
                    return event.pid
                self._waiting.append(event)

    def ended(self, seconds: float) -> list[Event]:
        """Workers that ended, waiting a little for one."""
        events, self._waiting = self._waiting, []
        return events or self._read(seconds)

    def _read(self, seconds: float) -> list[Event]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            return []
        received = os.read(self._process.stdout.fileno(), 1 << 16)
        assert received, "the launcher ended"
        *lines, self._buffered = (self._buffered + received).split(b"\n")
        return [msgspec.json.decode(line, type=Event) for line in lines]


class Fleet:
    """The workers of one round, and the other processes of its group."""

    def __init__(
        self, launcher: Launcher, folder: Path, env: Mapping[str, str], patience_s: float
    ) -> None:
        self.patience_s = patience_s
        self._launcher = launcher
        self._folder = folder
        self._env = dict(env)
        self.members: list[Worker] = []
        """All of them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.members:
            worker.keep = False
            worker.signal(signal.SIGKILL)
        self.until(lambda: all(w.pid is None for w in self.members), "the end of killed workers")

    @property
    def workers(self) -> list[Worker]:
        """Those that score claims."""
        return [member for member in self.members if member.request.arguments == RUN]

    @property
    def appliers(self) -> list[Worker]:
        """Those that fill the database."""
        return [member for member in self.members if member.request.arguments == APPLY]

    def add(
        self,
        name: str,
        plan: Plan | None = None,
        *,
        instance: str | None = None,
        keep: bool = True,
        mutant: str | None = None,
        env: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = RUN,
    ) -> Worker:
        """Start a worker, or another command. Its plan is for its first start only."""
        own = {**self._env, "INSTANCE_ID": instance or name, **(env or {})}
        if Path(own.get("MEMORY_STORE", "")).is_absolute():  # two of one id are on two machines
            own["MEMORY_STORE"] += f"/{name}"
        request = Request(
            arguments=arguments,
            env=own,
            log="",
            plan=plan,
            mutant=mutant,
        )
        worker = Worker(name, request, keep=keep)
        self.members.append(worker)
        self._start(worker)
        return worker

    def _start(self, worker: Worker) -> None:
        worker.starts += 1
        log = str(self._folder / f"{worker.name}.{worker.starts}.log")
        worker.request = msgspec.structs.replace(worker.request, log=log)
        worker.pid = self._launcher.start(worker.request)
        worker.request = msgspec.structs.replace(worker.request, plan=None)

    def tick(self, seconds: float = 0.05) -> None:
        """Notice ends and start again what should run."""
        for event in self._launcher.ended(seconds):
            for worker in self.members:
                if worker.pid == event.pid:
                    worker.pid = None
                    worker.codes.append(event.code)
                    worker.restart_at = time.monotonic() + RESTART_AFTER
        for worker in self.members:
            if worker.keep and worker.pid is None and time.monotonic() >= worker.restart_at:
                self._start(worker)

    def sleep(self, seconds: float) -> None:
        """Let time pass, with restarts."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tick()

    def until(
        self, condition: Callable[[], object], what: str, seconds: float | None = None
    ) -> None:
        """Wait, with restarts, until the condition holds; `patience_s` if nothing else is said.

        Raises:
            TimeoutError: it does not.
        """
        seconds = self.patience_s if seconds is None else seconds
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds:.0f} s for {what}")
            self.tick()

    def stop(self, worker: Worker) -> None:
        """End a worker in good order, for good."""
        worker.keep = False
        worker.signal(signal.SIGTERM)

    def stop_all(self) -> None:
        """End everything in good order and wait for it."""
        for worker in self.members:
            self.stop(worker)
        self.until(lambda: all(w.pid is None for w in self.members), "workers to stop", 60)
