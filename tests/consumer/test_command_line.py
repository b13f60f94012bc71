"""The command line: what is refused before Kafka is asked, and with which exit code."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from consumer import errors
from consumer.__main__ import main, parser

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine's; nothing listens where Kafka would be."""
    for name in ("METRICS_PORT", "API_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")


def test_each_error_has_an_exit_code_of_its_own() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    codes = [k.exit_code for k in kinds if issubclass(k, errors.ScorerError)]
    others = errors.STUCK_EXIT_CODE, errors.UNKNOWN_EXIT_CODE
    assert sorted([*codes, *others]) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("command", ["run", "serve", "demo", "topics", "redrive", "doctor"])
def test_a_wrong_setting_ends_every_command(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DELIVERY", "twice")
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith("error: DELIVERY must be one of exactly-once")


@pytest.mark.parametrize("command", ["run", "serve"])
def test_without_a_model_nothing_starts(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "none"))
    assert main([command]) == 3
    assert f"error: MODEL_DIR={tmp_path / 'none'}" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "setting"), [("run", "METRICS_PORT"), ("serve", "API_PORT")])
def test_a_taken_port_is_refused_by_name(
    command: str,
    setting: str,
    model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(model_dir))
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(setting, str(port))
        assert main([command]) == 2
    assert f"error: {setting}={port}: cannot listen" in capsys.readouterr().err


@pytest.mark.parametrize("host", [".", "a..b", "x" * 64, "a\nb", "192.0.2.1"])
def test_a_host_that_cannot_be_listened_on_is_refused_by_name(
    host: str,
    model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(model_dir))
    monkeypatch.setenv("API_PORT", "0")
    monkeypatch.setenv("API_HOST", host)
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert f"error: API_HOST={host!r}: not a name" in error
    assert "API_PORT" not in error


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice"),
        (["redrive", "--reason", "dull"], "--reason"),
        (["redrive", "--limit", "0"], "--limit"),
        (["redrive", "--since", "yesterday"], "--since: 'yesterday' is not a time like 2026-"),
        (["redrive", "--until", "2026-03-01T07:30+25:00"], "--until: '2026-03-01T07:30+25:00'"),
        (["redrive", "--max-attempts", "two"], "--max-attempts: 'two' is not a whole number"),
        (["redrive", "--limit", "9" * 30], "from 1 to 1,000,000,000"),
        (["generate", "--rate", "nan"], "--rate: 'nan' is not a number"),
        (["generate", "--rate", "inf"], "--rate: 'inf' is not a number"),
        (["generate", "--rate", "-1"], "--rate: -1 is below 0"),
        (["generate", "--claims", "1e3"], "--claims: '1e3' is not a whole number"),
        (["generate", "--broken-every", "-1"], "--broken-every: '-1' is not a whole number"),
        (["generate", "--seed", "-1"], "--seed: '-1' is not a whole number from 0"),
        (["demo", "--claims", "many"], "--claims: 'many' is not a whole number"),
        (["topics", "--partitions", "99999999999"], "from 1 to 10,000"),
        (["topics", "--replication-factor", "x"], "--replication-factor: 'x'"),
        (["topics", "--partitions", "-1"], "--partitions"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("run", "serve", "demo", "redrive", "topics", "doctor"):
        assert re.search(rf"^ +{command} +[A-Z]", shown, re.MULTILINE)


def test_times_without_a_zone_are_utc() -> None:
    options = parser().parse_args(["redrive", "--since", "2024-05-06T07:00"])
    assert options.since.isoformat() == "2024-05-06T07:00:00+00:00"
    options = parser().parse_args(["redrive", "--until", "2024-05-06T07:00+02:00"])
    assert options.until.isoformat() == "2024-05-06T07:00:00+02:00"


def test_extras_are_not_loaded_before_a_setting_asks_for_them() -> None:
    asked = "import consumer.__main__, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "consumer.registry.wire" in loaded
    assert not {m for m in loaded if "opentelemetry" in m or "schema_registry" in m}
