"""The main job in one command, without a broker to be had."""

import os
import re
import socket
import subprocess
import sys

import pytest

from tests.harness.process import ROOT


def demo(port: int) -> subprocess.CompletedProcess[str]:
    environ = {n: v for n, v in os.environ.items() if not n.startswith("KAFKA_")}
    return subprocess.run(
        [sys.executable, "-m", "consumer", "demo", "--claims", "1000"],
        env={**environ, "METRICS_PORT": str(port), "COLUMNS": "200"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_demo_ends_with_a_summary() -> None:
    ended = demo(0)
    assert ended.returncode == 0, ended.stderr
    for line in ("claims sent", "alerts", "dead letters", "claims/s", "latency", "recall"):
        assert line in ended.stdout
    reasons = re.findall(r"\([+-]\d\.\d\d\)", ended.stdout)
    assert len(reasons) >= 5, "alerts are listed with their reasons"
    assert " 1,000 " in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = demo(port)
    assert ended.returncode == 2
    assert f"error: METRICS_PORT={port}: cannot listen" in ended.stderr
