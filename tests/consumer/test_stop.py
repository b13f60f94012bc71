"""Signals, whatever the main thread waits for."""

import inspect
import os
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumer import __main__ as commands
from consumer import stop as stop_module
from consumer.errors import UNKNOWN_EXIT_CODE
from consumer.server import server
from consumer.stop import Stop
from tests.broker import wait

ROOT = Path(__file__).parents[2]
HEEDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
EACH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """What a shell in the background has its children ignore, as SIGQUIT, counts here."""
    before = {number: signal.getsignal(number) for number in HEEDED}
    for number in HEEDED:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


DOCKER_STOP_S = 10.0
"""What `docker stop` waits before it kills; Kubernetes waits longer."""


def test_a_command_ends_before_it_would_be_killed() -> None:
    """The constants themselves, not a time that is measured. No command sets another limit."""
    assert server.GRACE_S < stop_module.LIMIT_S < DOCKER_STOP_S
    assert "within_s" not in inspect.signature(Stop.gracefully).parameters
    assert "within_s" not in inspect.getsource(commands)


class Ends(queue.Queue[int]):
    """The exit code the process would have ended with."""

    def __call__(self, code: int) -> None:
        self.put(code)

    def code(self) -> int:
        return self.get(timeout=wait.GENEROUS)


@contextmanager
def listening(
    *,
    service: bool = False,
    same_s: float = stop_module.SAME_S,
    within_s: float = wait.GENEROUS,
) -> Iterator[tuple[Stop, Ends]]:
    ends = Ends()
    made = Stop(service=service, end=ends, same_s=same_s, within_s=within_s)
    with made.listening() as stop:
        yield stop, ends


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@EACH
@pytest.mark.parametrize("service", [True, False])
def test_until_it_can_be_asked_it_ends_at_once(number: signal.Signals, service: bool) -> None:
    with listening(service=service) as (_, ends):
        send(number)
        assert ends.code() == (0 if service else 128 + number)


@EACH
def test_it_is_asked_and_ends_by_itself(number: signal.Signals) -> None:
    asked = Ends()
    with listening() as (stop, ends):
        stop.gracefully(lambda: asked(1))
        assert not stop.asked
        send(number)
        assert asked.code() == 1
        assert stop.asked
        assert stop.code == 128 + number
    assert ends.empty()


@pytest.mark.parametrize(
    ("unknown", "code"), [(None, 0), ("whether it was committed is unknown", UNKNOWN_EXIT_CODE)]
)
def test_when_time_is_up_it_is_ended(unknown: str | None, code: int) -> None:
    with listening(service=True, within_s=0.05) as (stop, ends):
        stop.gracefully(unknown=lambda: unknown)
        send(signal.SIGTERM)
        assert ends.code() == code


def test_a_second_interrupt_ends_at_once() -> None:
    asked = Ends()
    with listening(service=True, same_s=-1.0) as (stop, ends):
        stop.gracefully(lambda: asked(1))
        send(signal.SIGTERM)
        asked.code()
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert ends.code() == 128 + signal.SIGINT
    assert asked.empty()


@pytest.mark.parametrize(
    ("unknown", "code"),
    [(None, 128 + signal.SIGQUIT), ("whether it was committed is unknown", UNKNOWN_EXIT_CODE)],
)
def test_quit_ends_at_once(unknown: str | None, code: int) -> None:
    asked = Ends()
    with listening(service=True) as (stop, ends):
        stop.gracefully(lambda: asked(1), lambda: unknown)
        send(signal.SIGQUIT)
        assert ends.code() == code
    assert asked.empty()


IGNORING = """
import os, signal, sys
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
{}
for number in (signal.SIGHUP, signal.SIGQUIT)[:{}]:
    os.kill(os.getpid(), number)
print("still there")
"""
STARTING = "from consumer.stop import end_at_once; end_at_once()"
LISTENING = "from consumer.stop import Stop; Stop(service=False).listening().__enter__()"
TRAINING = """
from model.cli.signals import until_stopped
assert until_stopped(lambda: os.kill(os.getpid(), signal.SIGHUP) or 0) == 0
"""


@pytest.mark.parametrize(("begun", "sent"), [(STARTING, 2), (LISTENING, 2), (TRAINING, 1)])
def test_what_is_ignored_stays_ignored(begun: str, sent: int) -> None:
    """As under nohup."""
    program = IGNORING.format(begun, sent)
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert run.stdout == b"still there\n"


def test_one_request_that_arrives_twice_is_one() -> None:
    with listening(same_s=wait.GENEROUS) as (stop, ends):
        stop.gracefully()
        for _ in range(3):
            send(signal.SIGINT)
    assert ends.empty()


def test_a_command_with_something_to_put_in_order_is_interrupted() -> None:
    with listening() as (stop, _):
        stop.by_interrupt()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)


def test_handlers_are_as_they_were_before() -> None:
    before = [signal.getsignal(number) for number in stop_module.SIGNALS]
    with listening():
        pass
    assert [signal.getsignal(number) for number in stop_module.SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


@contextmanager
def mute() -> Iterator[tuple[str, socket.socket]]:
    """The address of a broker that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}", server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("run",), 0),
        (("outcomes",), 0),
        (("topics",), 143),
        (("redrive",), 143),
        (("redrive", "--dry-run"), 143),
    ],
    ids=str,
)
def test_a_command_that_waits_for_kafka_ends(
    command: tuple[str, ...], code: int, model_dir: Path
) -> None:
    with mute() as (address, server):
        environ = {
            "PATH": os.environ["PATH"],
            "KAFKA_BOOTSTRAP_SERVERS": address,
            "INSTANCE_ID": "w",
            "METRICS_PORT": "0",
            "MODEL_DIR": str(model_dir),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "consumer", *command],
            cwd=ROOT, env=environ, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with process:
            server.accept()
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=wait.GENEROUS)
        assert process.returncode == code
        assert "Traceback" not in "".join(said)
