"""Starts workers quickly: one process imports everything once and forks each worker.

``python -m tests.chaos.launch`` reads a JSON request a line and writes a JSON event a line. The
forked process runs the command line of the product, such as ``python -m consumer run``, with the
environment it was given and nothing of the harness but a plan of hooks.
"""

import ctypes
import faulthandler
import os
import select
import signal
import sys
from pathlib import Path
from typing import Literal

import msgspec

from tests.chaos.hooks import Plan, install

PR_SET_PDEATHSIG = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Start one worker."""

    arguments: tuple[str, ...]
    """Of the command line."""
    env: dict[str, str]
    log: str
    plan: Plan | None = None
    mutant: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A worker started (in the order of requests) or ended."""

    kind: Literal["started", "ended"]
    pid: int
    code: int = 0
    """Exit code, or minus the signal."""


def serve() -> int:
    """Fork until instructed otherwise; in a fork, return the worker's exit code."""
    import consumer.__main__  # imported once, for every fork
    import consumer.history.applying  # noqa: F401

    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    buffered = b""
    while True:
        ready, _, _ = select.select([0, read_end], [], [], 1.0)
        if read_end in ready:
            os.read(read_end, 4096)
        for event in ended():
            tell(event)
        if 0 not in ready:
            continue
        received = os.read(0, 1 << 16)
        if not received:
            return 0
        *lines, buffered = (buffered + received).split(b"\n")
        for line in lines:
            request = msgspec.json.decode(line, type=Request)
            pid = os.fork()
            if pid == 0:
                return worker(request)
            tell(Event(kind="started", pid=pid))


def ended() -> list[Event]:
    """Workers that ended since the last call."""
    events: list[Event] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return events
        if pid == 0:
            return events
        events.append(Event(kind="ended", pid=pid, code=os.waitstatus_to_exitcode(status)))


def tell(event: Event) -> None:
    os.write(1, msgspec.json.encode(event) + b"\n")


def worker(request: Request) -> int:
    """Become the worker."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for new, old in ((null, 0), (log, 1), (log, 2)):
        os.dup2(new, old)
    faulthandler.enable()  # a crash in compiled code says in the log where it was
    os.environ.clear()
    os.environ.update(request.env)
    install(request.plan)
    if request.mutant is not None:
        from tests.chaos import mutants

        mutants.install(request.mutant)
    from consumer.__main__ import main
    from consumer.telemetry import logs

    logs.SAME_MESSAGE_S = 0.0  # type: ignore[misc] # a round's log contains everything

    return main(list(request.arguments))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(Path(__file__).parents[2])
    sys.exit(serve())
