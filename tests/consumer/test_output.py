"""Output that nobody reads any more, or that cannot be written."""

import contextlib
import importlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_scorer import __main__ as fraud_scorer
from schemas.streams import NOBODY_READS, NOT_WRITTEN

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from fraud_scorer import __main__ as fraud_scorer
from schemas.streams import written

def command():
    for number in range(100_000):
        sys.stdout.write(f"{number}\\n")
    return 0

sys.exit(written(command))
"""
Ended = subprocess.CompletedProcess[bytes]


def run(arguments: list[str], redirected: str) -> Ended:
    command = " ".join([sys.executable, *arguments])
    return subprocess.run(
        ["bash", "-c", f"{command} {redirected}"], cwd=ROOT, capture_output=True, check=False
    )


def test_a_reader_that_leaves_is_no_error() -> None:
    done = run(["-c", f"'{PROGRAM}'"], "| head -1; exit ${PIPESTATUS[0]}")
    assert done.stdout == b"0\n"
    assert (done.returncode, done.stderr) == (NOBODY_READS, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_told() -> None:
    done = run(["-c", f"'{PROGRAM}'"], "> /dev/full")
    assert done.returncode == NOT_WRITTEN
    assert done.stderr == b"error: the output could not be written: No space left on device\n"


def test_errors_that_nobody_wants_are_nothing_to_fail_at() -> None:
    done = run(["-c", f"'{PROGRAM}'"], "2>&-")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", ">&- <&-"])
def test_output_that_is_closed_is_lost_and_that_is_told(closed: str) -> None:
    done = run(["-c", f"'{PROGRAM}'"], closed)
    assert done.returncode == NOT_WRITTEN
    told = b"error: the output could not be written: standard output is closed\n"
    assert done.stderr == (b"" if "2>" in closed else told)


def test_a_command_that_says_nothing_needs_no_output() -> None:
    silent = PROGRAM.replace("100_000", "0")
    done = run(["-c", f"'{silent}'"], ">&-")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_input_that_is_closed_is_no_terminal() -> None:
    done = run(["-m", "consumer", "redrive", "--discard", "--why", "x"], "<&-")
    assert done.returncode == 2
    assert b"error: --discard closes dead letters for good: add --yes" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_check_whose_result_is_not_written() -> None:
    done = run(["-m", "schemas", "check", "--contract", "auto"], "> /dev/full")
    assert done.returncode == NOT_WRITTEN
    assert done.stderr == b"error: the output could not be written: No space left on device\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_command_whose_help_is_not_written() -> None:
    done = run(["-m", "fraud_scorer", "--help"], "> /dev/full")
    assert done.returncode == NOT_WRITTEN
    assert done.stderr == b"error: the output could not be written: No space left on device\n"


COMMANDS = [
    *(("consumer.__main__", verb) for verb in fraud_scorer.VERBS["consumer"]),
    *(("model.__main__", verb) for verb in fraud_scorer.VERBS["model"]),
    *(
        (module, "")
        for module in (
            "consumer.__main__",
            "fraud_scorer.__main__",
            "model.__main__",
            "schemas.export",
        )
    ),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(("module", "verb"), COMMANDS)
def test_help_that_is_not_written_is_an_error(
    module: str,
    verb: str,
    buffered: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """argparse alone would end with 0: it ignores errors of its own output."""
    command = importlib.import_module(module)
    with Path("/dev/full").open("wb", buffering=-1 if buffered else 0) as full:
        to = io.TextIOWrapper(full, write_through=not buffered)
        with contextlib.redirect_stdout(to):
            assert command.main([*([verb] if verb else []), "--help"]) == NOT_WRITTEN
    said = "error: the output could not be written: No space left on device\n"
    assert capsys.readouterr().err == said
