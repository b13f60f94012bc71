"""The main job in one command, without a broker to be had."""

import os
import re
import socket
import subprocess
import sys

import pytest

from tests.harness.process import ROOT


def demo(port: int, *more: str) -> subprocess.CompletedProcess[str]:
    environ = {n: v for n, v in os.environ.items() if not n.startswith("KAFKA_")}
    return subprocess.run(
        [sys.executable, "-m", "consumer", "demo", "--claims", "1000", *more],
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
@pytest.mark.parametrize(
    ("contract", "reason"), [("health", " billed"), ("property", "after the loss (more than")]
)
def test_the_demo_of_another_line_drafts_checks_trains_and_streams(
    contract: str, reason: str
) -> None:
    ended = demo(0, "--contract", contract)
    assert ended.returncode == 0, ended.stderr
    assert re.search(rf"schemas draft: \d+ fields found in {contract}.jsonl", ended.stdout)
    assert "schemas check:" in ended.stdout
    assert "2,000 rows accepted, 0 refused" in ended.stdout
    assert reason in ended.stdout, "reasons are in the words of the contract"
    sent = int(re.search(r"claims sent +([\d,]+)", ended.stdout)[1].replace(",", ""))  # type: ignore[index]
    alerts = int(re.search(r"alerts +([\d,]+)", ended.stdout)[1].replace(",", ""))  # type: ignore[index]
    bad = int(re.search(r"dead letters +(\d+) of \1 bad", ended.stdout)[1])  # type: ignore[index]
    assert sent == alerts + bad > 900
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_file_is_not_read_through_the_contract_of_a_demo() -> None:
    ended = demo(0, "--contract", "health", "--data", "mine.csv")
    assert ended.returncode == 2
    assert "DATA=mine.csv CONTRACT=health" in ended.stderr


@pytest.mark.slow
def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = demo(port)
    assert ended.returncode == 2
    assert f"error: METRICS_PORT={port}: cannot listen" in ended.stderr


@pytest.mark.slow
def test_the_demo_of_motor_claims_remembers() -> None:
    ended = demo(0, "--claims", "4000", "--contract", "motor")
    assert ended.returncode == 0, ended.stderr
    shown = ended.stdout
    known = found(r"remembered: ([\d,]+) earlier claims and ([\d,]+) findings about them", shown)
    sent, alerts, bad = (
        *found(r"claims sent +([\d,]+)", shown),
        *found(r"alerts +([\d,]+)\n", shown),
        *found(r"dead letters +(\d+) of \1 bad", shown),
    )
    assert sent == alerts + bad
    assert alerts > 3_500
    assert known[0] > 3_500
    assert min(known[1], *found(r"findings meanwhile +([\d,]+)", shown)) > 100
    links = re.findall(r"this (?:phone|account|policy) stands in \d", shown)
    assert len(links) >= 5, "each alert in the table has links"
    assert found(r"with links +([\d,]+) of those referred", shown)[0] > 10
    for share in (5, 10):
        row = rf"in the top {share} % of the claims +(\d+) of (\d+) +(\d+) of \2"
        with_history, frauds, without = found(row, shown)
        assert without < with_history < frauds
    words = re.sub(r"\s+", " ", shown)
    assert found(r"finds (\d+) of (\d+) frauds with history, (\d+) without: \d+ more", words) == [
        with_history, frauds, without,
    ]  # fmt: skip
    assert "All claims are synthetic" in words
    assert "Traceback" not in ended.stderr


def found(pattern: str, text: str) -> list[int]:
    """The numbers in the groups of a pattern."""
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in {text}"
    return [int(number.replace(",", "")) for number in match.groups()]
