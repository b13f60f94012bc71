"""Structured logs."""

import json
import logging
from collections.abc import Iterator

import pytest

from consumer.telemetry import logs
from tests.harness.root_logger import same_afterwards


@pytest.fixture(autouse=True)
def _same_logging_afterwards() -> Iterator[None]:
    with same_afterwards():
        yield


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logging.getLogger("consumer.worker.worker").info("read %d\nrecords \u20ac", 5)
    logging.getLogger("consumer.worker.worker").debug("not this")
    (line,) = lines(capsys)
    assert line["message"] == "read 5\nrecords \u20ac"
    assert (line["level"], line["logger"]) == ("info", "consumer.worker.worker")
    assert line["time"].endswith("+00:00")


def test_a_traceback_stays_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        int("no")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(capsys)
    assert (
        line["traceback"].splitlines()[-1]
        == "ValueError: invalid literal for int() with base 10: 'no'"
    )


def test_text_that_is_no_unicode_is_still_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logging.getLogger("x").info("path %s", "/models/\udcff")
    (line,) = lines(capsys)
    assert line["message"].startswith("path /models/")


def test_a_message_of_any_length_is_told_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logging.getLogger("x").info("refused: %s: put it back", "x" * 1_000_000)
    (line,) = lines(capsys)
    assert len(line["message"]) < 10_000
    assert line["message"].startswith("refused: ")
    assert line["message"].endswith(": put it back")


ACTIVE = [
    *("\x1b", "\x7f", "\x85", "\x9b", "\u200e", "\u2028", "\u2029", "\u202e", "\u2066", "\u2069"),
    *("\ufeff", "\U000e0041"),
]


def fail(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("sign", ACTIVE)
def test_no_character_that_a_terminal_obeys(sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        fail(f"é{sign}€")
    except ValueError:
        logging.getLogger(f"x{sign}").exception("topic %s", f"claims{sign}31m")
    written = capsys.readouterr().err
    assert written.removesuffix("\n").isprintable()
    assert "é" in written
    line = json.loads(written)
    assert (line["logger"], line["message"]) == (f"x{sign}", f"topic claims{sign}31m")
    assert line["traceback"].endswith(f"ValueError: é{sign}€")


def test_the_level_is_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ERROR")
    logging.getLogger("x").warning("not this")
    assert lines(capsys) == []


def test_the_same_message_is_logged_once_in_a_while() -> None:
    now = [0.0]
    sparse = logs.Sparse(10, lambda: now[0])

    def passes(name: str, text: str, level: int = logging.WARNING) -> bool:
        record = {"name": name, "msg": text, "levelno": level}
        return sparse.filter(logging.makeLogRecord(record))

    assert passes("a", "assigned claims[1]", logging.INFO)
    assert passes("a", "assigned claims[2]", logging.INFO)
    assert passes("a", "broker 1 is down for 1 s")
    assert not passes("a", "broker 1 is down for 2 s")
    assert passes("b", "broker 1 is down for 2 s")
    assert passes("a", "broker is up")
    now[0] = 10
    assert passes("a", "broker 2 is down for 9 s")
    assert not passes("a", "broker 1 is down for 9 s")
