"""The compose stack under its own project name and ports, next to any that is running."""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.broker import ports
from tests.deploy import processes
from tests.deploy.tools import ROOT


class Stack:
    """`docker compose` on the checked-in file."""

    def __init__(self) -> None:
        self.project = f"fraud-test-{uuid.uuid4().hex[:8]}"
        self.kafka_port, self.api_port, self.prometheus_port = ports.free_ports(3)
        self._env = {
            **os.environ,
            "COMPOSE_PROFILES": "",
            "SCORER_TAG": self.project,
            "KAFKA_HOST_PORT": str(self.kafka_port),
            "API_HOST_PORT": str(self.api_port),
            "PROMETHEUS_HOST_PORT": str(self.prometheus_port),
            "CLAIMS_PARTITIONS": "6",
        }

    @property
    def kafka(self) -> str:
        return f"localhost:{self.kafka_port}"

    @property
    def api(self) -> str:
        return f"http://localhost:{self.api_port}"

    def compose(self, *arguments: str) -> str:
        """Run a command of compose; fails with what it wrote."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],
            cwd=ROOT, env=self._env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + self._logs()
        return done.stdout

    def up(self, workers: int = 1) -> None:
        """Start, or change the number of workers, and wait until all are healthy."""
        self.compose("up", "--detach", "--wait", "--scale", f"worker={workers}")

    def run(self, service: str, *command: str) -> str:
        """Run a command in a new container of a service."""
        return self.compose("run", "--rm", "--no-deps", service, *command)

    def workers(self) -> list[str]:
        """Ids of the worker containers, running or not."""
        return self.compose("ps", "--all", "--quiet", "worker").split()

    def query(self, expression: str) -> list[Any]:
        """Series of the stack's Prometheus."""
        return processes.query(f"http://localhost:{self.prometheus_port}", expression)

    def _logs(self) -> str:
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, "logs", "--tail", "40"],
            cwd=ROOT, env=self._env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout

    def remove(self) -> None:
        """Take everything down, with volumes and the image."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")
        image = f"claims-fraud-scorer:{self.project}"
        subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


@contextlib.contextmanager
def stack() -> Iterator[Stack]:
    """The stack, built and started; gone when the block ends."""
    made = Stack()
    try:
        made.compose("build")
        made.up()
        yield made
    finally:
        made.remove()


def inspect(container: str) -> Any:
    """Docker's information about a container."""
    done = subprocess.run(
        ["docker", "inspect", container], capture_output=True, check=True, cwd=Path("/")
    )
    return msgspec.json.decode(done.stdout)[0]


def docker(*arguments: str) -> None:
    """Run a command of docker."""
    subprocess.run(["docker", *arguments], capture_output=True, check=True)
