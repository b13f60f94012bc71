"""PostgreSQL of this machine's package in a temporary folder, to be killed by tests."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

from tests.broker import ports, wait
from tests.harness.process import die_with_parent
from tests.harness.servers import NoServerError

PACKAGES: Final = Path("/usr/lib/postgresql")
"""Where Debian puts the versions."""
OTHER: Final = "nobody"
"""Who runs it if we are root, whom it refuses."""
QUICK: Final = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1")


class NoPostgresError(NoServerError):
    """There is no way to a PostgreSQL here; the message says why."""


def programs() -> Path:
    """The folder with initdb and postgres: the latest version, or what is on the path.

    Raises:
        NoPostgresError: there is none.
    """
    found = [path.parent for path in PACKAGES.glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoPostgresError(f"no initdb in {PACKAGES}/*/bin: apt-get install postgresql")
    return Path(on_path).resolve().parent


def as_ordinary_user() -> list[str]:
    """What to put before a command that root may not run."""
    if os.geteuid():
        return die_with_parent()
    found = shutil.which("setpriv")
    if found is None:
        raise NoPostgresError("root may not run PostgreSQL, and there is no setpriv")
    user = pwd.getpwnam(OTHER)
    return [
        found, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups",
        "--pdeathsig", "KILL",
    ]  # fmt: skip


class NativePostgres:
    """A server, started on entry, gone with its data on exit."""

    def __init__(self) -> None:
        """Plan it.

        Raises:
            NoPostgresError: there is none.
        """
        self._programs = programs()
        self._ordinary = as_ordinary_user()
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        (self._port,) = ports.free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of a database of the superuser."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def running(self) -> bool:
        """False once it was killed, until it is started again."""
        return self._process is not None

    @property
    def folder(self) -> Path:
        """Of its user, for files that it reads; gone on exit."""
        return self._folder

    def __enter__(self) -> Self:
        try:
            if not os.geteuid():
                shutil.chown(self._folder, OTHER)
            self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                      "--no-sync")  # fmt: skip
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it answers. From the main thread: it ends with the thread."""
        options = [part for setting in QUICK for part in ("-c", setting)]
        command = [
            *self._ordinary, str(self._programs / "postgres"), "-D", self._data,
            "-p", str(self._port), "-k", str(self._folder), *options,
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        wait.until(self._answers, f"PostgreSQL on port {self._port}")

    def kill(self) -> None:
        """End it as a power cut would; what it does not find on the disk again is lost."""
        if self._process is not None:
            # The others would end when they miss the first, and until then none can be started.
            others = _children(self._process.pid)
            self._process.kill()
            self._process.wait()
            self._process = None
            for pid in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait.until(lambda: not any(map(_lives, others)), "the end of PostgreSQL")
            (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [*self._ordinary, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError((self._folder / "log").read_text()[-2000:])
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url).close()
            return True
        return False


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def _lives(pid: int) -> bool:
    """False for a process that is gone, or that only waits to be noticed."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
