"""Signals to process 1 of a container: the kernel delivers none that nobody has asked for."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumer import stop as stop_module
from tests.broker import wait
from tests.consumer.test_stop import mute
from tests.harness.process import ROOT, environment

ALONE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
"""Runs a command as process 1 of a namespace; ends with its exit code."""
ORCHESTRATOR_S = 10.0
"""What `docker stop` waits before it kills; Kubernetes waits longer."""


def test_a_command_ends_before_it_is_killed() -> None:
    """A constant, not a measured time: what is stated is what an operator can rely on."""
    assert stop_module.LIMIT_S <= ORCHESTRATOR_S


@pytest.fixture(autouse=True, scope="module")
def permitted() -> None:
    try:
        tried = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare")
    if tried.returncode:
        pytest.skip(f"no process 1: {tried.stderr.decode().strip()}")
