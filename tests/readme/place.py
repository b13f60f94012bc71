"""A folder that looks like a fresh clone after ``make setup``, to run the README's commands in."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.broker import ports, topics, wait
from tests.harness.process import ROOT, Process, environment

CLONED = ("Makefile", "pyproject.toml", "schemas", "model", "consumer", "fraud_scorer")
STAMPS = (".ready", ".runtime")
"""Files that `make` checks to see that the environment is complete."""
BROKER, ENDPOINT = "localhost:9092", "localhost:8080"


class Place:
    """Runs commands as they stand in the README.

    Two addresses are replaced, those of the broker and of the HTTP endpoint, and the names of
    topics and of the group are fresh, so that nobody else is disturbed.
    """

    def __init__(self, folder: Path, bootstrap: str = BROKER) -> None:
        self.folder = folder
        for name in CLONED:
            (folder / name).symlink_to(ROOT / name)
        # A copy: nothing that changes in the project meanwhile makes the environment look old.
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        venv = folder / ".venv"
        venv.mkdir()
        for part in Path(sys.prefix).iterdir():
            if part.name not in STAMPS:
                (venv / part.name).symlink_to(part)
        for stamp in STAMPS:
            (venv / stamp).touch()
        api, metrics = ports.free_ports(2)
        self.endpoint = f"localhost:{api}"
        self.operations = f"http://127.0.0.1:{metrics}"
        self._addresses = {BROKER: bootstrap, ENDPOINT: self.endpoint}
        self.name = topics.fresh_name("readme")
        changes = {
            "CLAIMS_TOPIC": f"{self.name}.claims",
            "ALERTS_TOPIC": f"{self.name}.alerts",
            "DEAD_LETTER_TOPIC": f"{self.name}.dead",
            "OUTCOMES_TOPIC": f"{self.name}.outcomes",
            "OUTCOMES_DEAD_LETTER_TOPIC": f"{self.name}.outcomes-dead",
            "CONSUMER_GROUP": f"{self.name}.group",
            "METRICS_PORT": str(metrics),
            "API_PORT": str(api),
        }
        self.environ = environment(changes)

    def _here(self, command: str) -> str:
        for printed, real in self._addresses.items():
            command = command.replace(printed, real)
        return command

    def run(self, command: str) -> str:
        """Run one command to its end; what it printed. ``export`` stays for those after it."""
        here = self._here(command)
        if here.startswith("export "):
            words = shlex.split(here, comments=True)[1:]
            self.environ.update((n, v) for n, _, v in (word.partition("=") for word in words))
            return ""
        done = subprocess.run(
            ["bash", "-c", here], cwd=self.folder, env=self.environ,
            capture_output=True, text=True, check=False, timeout=wait.GENEROUS,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[Callable[[], object]]:
        """Keep a command running while the body does; it is interrupted as by Ctrl-C.

        What the body gets fails once the command has ended by itself.
        """
        here = self._here(command).partition("#")[0].strip().removesuffix("&")
        started = Process(
            ["bash", "-c", here], self.environ, self.folder / "running.log",
            cwd=self.folder, own_session=True,
        )  # fmt: skip
        try:
            yield started.check
            started.check()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.process.pid, signal.SIGINT)
            try:
                started.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(started.process.pid, signal.SIGKILL)
                started.wait()
