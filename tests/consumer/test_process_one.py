"""Signals to process 1 of a container: the kernel delivers none that nobody has asked for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker import wait
from tests.consumer.test_stop import mute
from tests.harness.process import ROOT, environment

ALONE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
"""Runs a command as process 1 of a namespace; ends with its exit code."""


@pytest.fixture(autouse=True, scope="module")
def permitted() -> None:
    try:
        tried = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare")
    if tried.returncode:
        pytest.skip(f"no process 1: {tried.stderr.decode().strip()}")


@contextmanager
def process_1(*command: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run Python as process 1; the process that waits for it, and its own number outside."""
    env = environment({"INSTANCE_ID": "w", "METRICS_PORT": "0", **settings})
    outer = subprocess.Popen(
        [*ALONE, sys.executable, *command], cwd=ROOT, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        yield outer, int(wait.until(children.read_text, "process 1"))
    finally:
        outer.kill()
        outer.wait()


WAITING = """
import time
from consumer.stop import end_at_once
end_at_once()
print("begun", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_it_ends_while_the_command_is_being_imported(number: signal.Signals) -> None:
    with process_1("-c", WAITING) as (outer, inner):
        assert outer.stdout is not None
        assert outer.stdout.readline() == "begun\n"
        os.kill(inner, number)
        assert outer.wait(wait.GENEROUS) == 128 + number


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code"), [("run", 0), ("topics", 143)])
def test_it_ends_while_it_waits_for_kafka(command: str, code: int, model_dir: Path) -> None:
    with mute() as (address, server):
        settings = {"KAFKA_BOOTSTRAP_SERVERS": address, "MODEL_DIR": str(model_dir)}
        with process_1("-m", "consumer", command, **settings) as (outer, inner):
            server.accept()
            os.kill(inner, signal.SIGTERM)
            said, _ = outer.communicate(timeout=wait.GENEROUS)
            assert outer.returncode == code, said
            assert "Traceback" not in said
