"""Real processes that wait for what never answers: a signal ends each of them, with its code. And
what is done, and what is not, at the end of a process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from model.datasets.dataset import load
from schemas import examples
from tests.broker import ports, wait
from tests.harness.process import Process, module

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGTERM, signal.SIGINT)
AS_BY_DEFAULT = (
    "import os, signal, sys; "
    "[signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGINT)]; "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Starts a command with the signals as a terminal has them: a shell that runs the tests in the
background has SIGINT ignored, and processes inherit that."""


@contextmanager
def started(
    folder: Path, command: tuple[str, ...], package: str = "consumer", **settings: str
) -> Iterator[Process]:
    """Run a command until the body ends."""
    environ = {"PATH": os.environ["PATH"], "INSTANCE_ID": "w", "METRICS_PORT": "0", **settings}
    _, *arguments = module(package, *command)
    whole = [sys.executable, "-c", AS_BY_DEFAULT, *arguments]
    process = Process(whole, environ, folder / "log", own_session=True)
    try:
        yield process
    finally:
        if not process.ended:
            process.kill()


def ended(process: Process, number: signal.Signals) -> int:
    """Its exit code; `wait.GENEROUS` is the harness's patience, not what is promised."""
    process.process.send_signal(number)
    try:
        return process.process.wait(wait.GENEROUS)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still there after {wait.GENEROUS} s:\n{process.log}")


@pytest.fixture(params=["mute", "dead"])
def nobody(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address that takes connections and never answers, and one where nothing listens."""
    if request.param == "dead":
        (port,) = ports.free_ports(1)
        yield f"127.0.0.1:{port}"
        return
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    path = tmp_path / "claims.csv"
    path.write_text("claim_id,claim_amount\nc-1,5\n")
    return path


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["run", "outcomes", "redrive", "send"])
def test_a_command_without_kafka_says_so_and_ends(
    command: str,
    number: signal.Signals,
    nobody: str,
    claims: Path,
    model_dir: Path,
    tmp_path: Path,
) -> None:
    more = ("--contract", "auto", "--data", str(claims)) if command == "send" else ()
    settings = {"KAFKA_BOOTSTRAP_SERVERS": nobody, "MODEL_DIR": str(model_dir)}
    with started(tmp_path, (command, *more), **settings) as process:
        wait.until(lambda: f"no answer from Kafka at {nobody}" in checked(process), "a warning")
        code = ended(process, number)
    service = command in {"run", "outcomes"}
    assert code == (0 if service else 128 + number), process.log
    assert "Traceback" not in process.log


def checked(process: Process) -> str:
    process.check()
    return process.log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_serve_ends_although_its_spans_go_nowhere(
    number: signal.Signals, nobody: str, model_dir: Path, tmp_path: Path
) -> None:
    (port,) = ports.free_ports(1)
    settings = {
        "API_PORT": str(port),
        "MODEL_DIR": str(model_dir),
        "TRACING": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{nobody}",
    }
    with started(tmp_path, ("serve",), **settings) as process:
        wait.until(lambda: "listening on port" in checked(process), "the server")
        answer = httpx.post(f"http://127.0.0.1:{port}/fraud-detection", json=examples.REAR_END)
        assert answer.status_code == 200
        code = ended(process, number)
    assert code == 0, process.log
    assert "Traceback" not in process.log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_training_ends_and_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    data, output = tmp_path / "data.jsonl", tmp_path / "models"
    claims: list[Mapping[str, object]] = [
        {**msgspec.to_builtins(claim), "fraud": fraud}
        for claim, fraud in zip(*known(5_000), strict=True)
    ]
    claims.append({"claim_id": 7})  # is named when all are read
    data.write_bytes(b"".join(msgspec.json.encode(claim) + b"\n" for claim in claims))
    given = ("train", "--data", str(data), "--format", "jsonl", "--output", str(output / "m"))
    with started(tmp_path, given, "model") as process:
        wait.until(lambda: "rejected: data.jsonl" in checked(process), "the end of reading")
        code = ended(process, number)
    assert code == 128 + number, process.log
    assert "Traceback" not in process.log
    assert not [*tmp_path.glob("models/*")]


def known(rows: int) -> tuple[list[object], list[int]]:
    found = load("synthetic", "synthetic", rows=rows, seed=1)
    return list(found.claims), found.labels.tolist()


ABORTS = """
import ctypes, runpy, sys
c = ctypes.CDLL(None)
c.__cxa_atexit(c.abort, None, None)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module in a process that an exit handler of C would end by SIGABRT."""


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("consumer", "topics"), 4),
        (("consumer", "--help"), 0),
        (("consumer", "send"), 2),
        (("fraud_scorer", "topics"), 4),
        (("fraud_scorer", "--help"), 0),
        (("fraud_scorer", "nothing"), 2),
        # The same handler in a module without such an end: it is what ends that process.
        (("schemas", "--help"), -signal.SIGABRT),
    ],
    ids=str,
)
def test_no_exit_handler_of_c_runs_while_clients_may_be_alive(
    command: tuple[str, ...], code: int
) -> None:
    (port,) = ports.free_ports(1)
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"}
    environ["KAFKA_SECURITY_PROTOCOL"] = "SSL"
    done = subprocess.run(
        [sys.executable, "-c", ABORTS, *command],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=wait.GENEROUS,
    )
    assert done.returncode == code, done.stderr
    assert ("usage: " in done.stdout) == ("--help" in command)
    assert bool(done.stderr) == (code > 0)


LAST = """
import atexit, sys, threading, time
from consumer.ending import Ending
ending = Ending()
atexit.register(lambda: print("registered later"))
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
def main():
    print("main")
    {main}
sys.exit(ending.of(main))
"""


@pytest.mark.parametrize(
    ("main", "code"),
    [
        ("return 0", 0),
        ("return 7", 7),
        ("sys.exit(2)", 2),
        ("sys.exit()", 0),
        ("sys.exit('why')", 1),
        ("raise ValueError('why')", 1),
    ],
)
def test_a_process_ends_after_its_threads_and_what_was_registered(main: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAST.format(main=main)],
        capture_output=True,
        text=True,
        check=False,
        timeout=wait.GENEROUS,
    )
    assert done.returncode == code
    assert done.stdout.splitlines() == ["main", "thread", "registered later"]
    assert ("why" in done.stderr) == ("why" in main)
