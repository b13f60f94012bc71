"""The product's commands and Prometheus as processes of this machine."""

import contextlib
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.broker import wait
from tests.deploy.tools import need
from tests.harness import process
from tests.harness.process import ROOT, Process

Env = Mapping[str, str]
Done = subprocess.CompletedProcess[str]


def run(*arguments: str, env: Env, module: str = "consumer") -> Done:
    """Run a command to its end."""
    return subprocess.run(
        process.module(module, *arguments),
        env=process.environment(env), cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def train(folder: Path) -> Path:
    """Write a small synthetic model."""
    done = run(
        "train", "--data", "synthetic", "--rows", "3000", "--output", str(folder),
        env={}, module="model",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def answers(running: Process, url: str) -> bool:
    """True if the address answers 200; fails if the process has ended."""
    running.check()
    with contextlib.suppress(OSError):
        return bool(get(url))
    return False


@contextlib.contextmanager
def going(command: list[str], env: Env, log: Path, ready: str) -> Iterator[Process]:
    """Run a command until the block ends; it starts when the address answers 200."""
    running = Process(command, process.environment(env), log)
    try:
        wait.until(lambda: answers(running, ready), f"{ready}; its log is {log}")
        yield running
    finally:
        if not running.ended:
            running.stop()


def scorer(
    command: str, env: Env, log: Path, port: int
) -> contextlib.AbstractContextManager[Process]:
    """A command of the product until it is ready; `port` is where it answers."""
    return going(process.module("consumer", command), env, log, f"http://127.0.0.1:{port}/readyz")


@contextlib.contextmanager
def prometheus(config: str, folder: Path, port: int) -> Iterator[str]:
    """Prometheus with this configuration; the value is its address."""
    program = need("prometheus", "Prometheus")
    path = folder / "prometheus.yml"
    path.write_text(config)
    address = f"http://127.0.0.1:{port}"
    command = [
        program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with going(command, {}, folder / "prometheus.log", f"{address}/-/ready"):
        yield address


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body or b" "


def post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: bytes = answer.read()
    return found


def query(address: str, expression: str) -> list[Any]:
    """Series Prometheus answers now.

    Raises:
        ValueError: it refuses the expression.
    """
    asked = urllib.parse.urlencode({"query": expression})
    try:
        answer = msgspec.json.decode(get(f"{address}/api/v1/query?{asked}"))
    except urllib.error.HTTPError as error:
        raise ValueError(f"{expression}: {error.read().decode()}") from error
    found: list[Any] = answer["data"]["result"]
    return found
