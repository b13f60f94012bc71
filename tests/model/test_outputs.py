"""A place that cannot be written is refused before the work, not after it."""

from pathlib import Path

import pytest

from benchmarks.__main__ import options
from examples import train_model
from model.__main__ import main
from model.files.writing import check_file, check_folder

TRAIN = ["train", "--data", "missing.jsonl", "--format", "jsonl", "--output"]
"""The work itself would begin with an error: there are no such claims, and no such model."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Nothing can be made below a file, whoever asks for it."""
    (tmp_path / "file").write_bytes(b"content")
    return tmp_path / "file"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([*TRAIN, "model"], "missing.jsonl"),
        (["evaluate", "--data", "synthetic", "--model", "m", "--report", "report.html"], "m"),
        (["quality", "--data-dir", "d", "--json", "figures.json"], "d/"),
        (["migrate", "--model", "m", "--output", "model"], "m"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_with_a_place_that_can_be_written_the_work_begins(
    given: list[str],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(given) == 1
    error = capsys.readouterr().err
    assert missing in error
    assert "--output" not in error
    assert "--report" not in error
    assert "--json" not in error


@pytest.mark.parametrize(
    "given",
    [
        [*TRAIN, "FILE/model"],
        [*TRAIN, "FILE/more/model"],
        [*TRAIN, "FILE/models", "--algorithm", "all"],
        ["evaluate", "--data", "synthetic", "--model", "m", "--report", "FILE/report.html"],
        ["evaluate", "--data", "synthetic", "--model", "m", "--report", "FOLDER"],
        ["quality", "--data-dir", "d", "--json", "FILE/figures.json"],
        ["quality", "--data-dir", "d", "--json", "FOLDER"],
        ["migrate", "--model", "m", "--output", "FILE/model"],
    ],
    ids=" ".join,
)
def test_a_command_says_so_at_once(
    given: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"FILE": str(file), "FOLDER": str(file.parent)}
    shown = [w.replace("FILE", places["FILE"]).replace("FOLDER", places["FOLDER"]) for w in given]
    assert main(shown) == 1
    option = next(word for word in given if word in {"--output", "--report", "--json"})
    error = capsys.readouterr().err
    assert f"python -m model {given[0]}: {option} {file.parent}" in error
    assert file.read_bytes() == b"content"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this system")
def test_a_file_system_that_takes_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "/proc/x"]) == 1
    assert "--output /proc: nothing can be written to /proc (" in capsys.readouterr().err


def test_the_benchmarks_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["--output", str(file / "bench")])
    assert f"--output {file}/bench: nothing can be written to {file}" in capsys.readouterr().err


def test_the_example_too(file: Path) -> None:
    with pytest.raises(OSError, match=r"FOLDER .*: nothing can be written"):
        train_model.improve("missing.jsonl", file / "model")


def test_what_can_be_written_is_left_as_it_was(file: Path, tmp_path: Path) -> None:
    check_folder("--output", tmp_path / "a" / "b")
    check_file("--report", tmp_path / "new.html")
    check_file("--report", file)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_bytes() == b"content"
