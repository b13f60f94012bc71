"""The link and the log when the link was changed by hand, or a command failed or was killed."""

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError
from model.releases.promotions import Promotion, history, way_back
from model.releases.versions import approver_of, in_service, listed, promote, rollback
from model.scoring.load import load
from model.training.train import write
from tests.harness.audit import before
from tests.model.examples import linear

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
VERSIONS = ("v1", "v2", "v3", "gb")


def save(folder: Path, version: str) -> Path:
    write(linear(), folder, created_at=NOW, version=version)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for version in VERSIONS:
        save(folder / version, version)
    return folder


@pytest.fixture
def root(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "root")


def by_hand(root: Path, target: str | Path) -> None:
    """As `ln -sfn TARGET ROOT/current` does."""
    (root / "current").unlink()
    (root / "current").symlink_to(target)


def promote_all(root: Path, *versions: str) -> None:
    for version in versions:
        promote(root, version, NOW)


def back(root: Path) -> tuple[str, str | None]:
    """Roll back; what that says is in service, and what was."""
    done = rollback(root, NOW)
    assert load(root / "current").version == Path(done.version).name
    assert history(root)[-1] == done
    return done.version, done.replaced


def hidden(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name.startswith(".")]


def test_a_rollback_keeps_a_folder_that_was_put_in_the_place_of_the_link(root: Path) -> None:
    promote_all(root, "v1", "v2")
    (root / "current").unlink()
    (root / "gb").rename(root / "current")
    assert back(root) == ("v2", "gb")
    assert load(root / "gb").version == "gb"
    assert back(root) == ("v1", "v2")


def test_a_folder_that_cannot_be_kept_stays_and_the_way_out_is_said(root: Path) -> None:
    promote_all(root, "v1", "v2")
    (root / "current").unlink()
    shutil.copytree(root / "gb", root / "current")
    log = (root / "promotions.jsonl").read_bytes()
    for _ in range(2):
        with pytest.raises(ArtifactError, match=f"{root / 'gb'} exists: move one away"):
            rollback(root, NOW)
    (root / "current" / "manifest.json").unlink()
    for command in (rollback, lambda root, now: promote(root, "v3", now)):
        with pytest.raises(ArtifactError, match="cannot be kept as a version: move it away: "):
            command(root, NOW)
    shutil.rmtree(root / "current")
    (root / "current").write_text("v2")
    for command in (rollback, lambda root, now: promote(root, "v3", now)):
        with pytest.raises(ArtifactError, match="current is a file, not a link: move it away"):
            command(root, NOW)
    assert (root / "current").read_text() == "v2"
    assert (root / "promotions.jsonl").read_bytes() == log
    assert hidden(root) == []
    (root / "current").rename(root / "notes")
    assert back(root) == ("v2", None)


def test_without_an_earlier_version_a_folder_stays_a_folder(root: Path) -> None:
    (root / "gb").rename(root / "current")
    with pytest.raises(ArtifactError, match="no earlier version to go back to: promote one by "):
        rollback(root, NOW)
    assert not (root / "current").is_symlink()
    assert not (root / "promotions.jsonl").exists()


COMMANDS: dict[str, Callable[[Path], Promotion]] = {
    "promote": lambda root: promote(root, "v3", NOW),
    "rollback": lambda root: rollback(root, NOW),
}


@pytest.mark.parametrize("kept", ["link", "folder", "nothing"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("event", ["os.rename", "os.symlink", "open"])
def test_what_fails_in_the_middle_leaves_everything_as_it_was(
    root: Path, event: str, command: str, kept: str
) -> None:
    promote_all(root, "v1", "v2")
    if kept != "link":
        (root / "current").unlink()
    if kept == "folder":
        (root / "gb").rename(root / "current")
    served = {"link": "v2", "folder": "gb", "nothing": None}[kept]
    log = (root / "promotions.jsonl").read_bytes()
    for number in range(10):
        with before(event, failing(number, "promotions.jsonl.new" if event == "open" else "")):
            try:
                COMMANDS[command](root)
            except OSError as error:
                assert "No space left" in str(error)
            else:
                break
        assert (root / "promotions.jsonl").read_bytes() == log
        assert hidden(root) == []
        if served is None:
            assert in_service(root) is None
        else:
            assert load(root / "current").version == served
    assert number in range(1, 9), "it failed at each such event, and then no more"
    assert hidden(root) == []
    assert in_service(root) == history(root)[-1].version


def failing(number: int, at: str) -> Callable[..., None]:
    """What lets so many events pass whose first argument contains `at`; then the disk is full."""
    passed: list[object] = []

    def act(path: object, *_: object) -> None:
        if at in str(path):
            passed.append(path)
            if len(passed) == number + 1:
                raise OSError(28, "No space left on device")

    return act


def test_a_rollback_after_a_change_by_hand_goes_back_to_what_was_there_before(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_all(root, "v1", "v2", "v3")
    by_hand(root, "gb")
    assert main(["rollback", "--root", str(root)]) == 0
    assert "current is now v3, which was gb\n" in capsys.readouterr().out
    assert back(root) == ("v2", "v3")
    assert back(root) == ("v1", "v2")


def test_a_promotion_after_a_change_by_hand_can_be_rolled_back(root: Path) -> None:
    promote_all(root, "v1", "v2")
    by_hand(root, "gb")
    assert promote(root, "v3", NOW).replaced == "gb"
    assert back(root) == ("gb", "v3")
    assert back(root) == ("v2", "gb")
    assert back(root) == ("v1", "v2")


def test_going_back_by_hand_is_going_back(root: Path) -> None:
    promote_all(root, "v1", "v2", "v3")
    by_hand(root, "v2")
    assert back(root) == ("v1", "v2")
    by_hand(root, "v2")
    promote_all(root, "gb")
    assert back(root) == ("v2", "gb")
    assert back(root) == ("v1", "v2")


def test_after_the_link_was_removed_a_rollback_puts_it_back(root: Path) -> None:
    promote_all(root, "v1", "v2")
    (root / "current").unlink()
    assert back(root) == ("v2", None)
    assert back(root) == ("v1", "v2")


def test_a_model_elsewhere_with_the_name_of_a_version_is_not_that_version(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save(tmp_path / "other" / "v2", "v2")
    promote_all(root, "v1")
    by_hand(root, Path("..", "other", "v2"))
    assert in_service(root) == str(other)
    assert [v.name for v in listed(root).versions if v.current] == [str(other)]
    assert promote(root, "v2", NOW).replaced == str(other)
    assert in_service(root) == "v2"
    by_hand(root, other)
    promote_all(root, "v3")
    assert main(["rollback", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert f"{other} was in service before, which is not a version in {root}: " in said
    assert f"ln -sfn {other} {root / 'current'} puts it back" in said
    assert in_service(root) == "v3"
    assert history(root)[-1].version == "v3"
    by_hand(root, other)
    assert back(root) == ("v1", str(other))


def test_a_link_to_a_version_is_to_that_version_however_it_is_spelled(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "same").symlink_to(root)
    (root / "all").mkdir()
    (root / "gb").rename(root / "all" / "gb")
    for target, name in (
        (root / "v2", "v2"),
        (Path("..", "root", "v2"), "v2"),
        (tmp_path / "same" / "v2", "v2"),
        (Path("all", "gb"), "all/gb"),
    ):
        (root / "current").unlink(missing_ok=True)
        (root / "current").symlink_to(target)
        assert in_service(root) == name
        assert [v.name for v in listed(root).versions if v.current] == [name]
    assert promote(root, "v3", NOW).replaced == "all/gb"
    assert back(root) == ("all/gb", "v3")


@pytest.mark.parametrize("target", [".", "..", "current", ".hidden"])
def test_a_link_to_anything_else_is_to_no_version(root: Path, target: str) -> None:
    (root / "current").symlink_to(target)
    assert in_service(root) == os.path.realpath(root / target)
    assert not any(version.current for version in listed(root).versions)


KILLED = """
import datetime as dt, os, sys
from pathlib import Path
from model.releases import versions
from tests.harness.audit import before

def kill(of, to, *_):
    if Path(to).name == sys.argv[2]:
        os.kill(os.getpid(), 9)

now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
root = Path(sys.argv[1])
with before("os.rename", kill):
    if sys.argv[3] == "rollback":
        versions.rollback(root, now)
    else:
        versions.promote(root, sys.argv[3], now, "A. Reviewer")
"""


def killed(root: Path, at: str, what: str) -> None:
    """A promotion or rollback that is killed before a file or link gets the name `at`."""
    command = [sys.executable, "-c", KILLED, str(root), at, what]
    assert subprocess.run(command, check=False, timeout=120).returncode == -9


@pytest.mark.slow
@pytest.mark.parametrize("at", ["current", "promotions.jsonl"])
def test_after_a_rollback_was_killed_the_next_one_goes_back_one_version(
    root: Path, at: str
) -> None:
    promote_all(root, "v1", "v2", "v3")
    killed(root, at, "rollback")
    assert in_service(root) == ("v3" if at == "current" else "v2")
    if at == "current":
        assert back(root) == ("v2", "v3")
    assert back(root) == ("v1", "v2")
    assert hidden(root) == []


@pytest.mark.slow
@pytest.mark.parametrize("at", ["current", "promotions.jsonl"])
def test_a_promotion_that_was_killed_counts_if_its_model_is_in_service(root: Path, at: str) -> None:
    promote_all(root, "v1", "v2")
    killed(root, at, "gb")
    turned = at == "promotions.jsonl"
    assert in_service(root) == ("gb" if turned else "v2")
    if turned:
        with pytest.raises(ArtifactError, match="gb is already in service"):
            promote(root, "gb", NOW)
        assert approver_of(root / "gb") == "A. Reviewer"
    promote_all(root, "v3")
    assert [e.version for e in history(root)] == ["v1", "v2", *["gb"] * turned, "v3"]
    assert approver_of(root / "gb") == ("A. Reviewer" if turned else None)
    if turned:
        assert back(root) == ("gb", "v3")
    assert back(root)[0] == "v2"
    assert back(root) == ("v1", "v2")
    assert hidden(root) == []


def test_a_prepared_log_that_is_not_whole_is_dropped(root: Path) -> None:
    promote_all(root, "v1", "v2")
    (root / ".promotions.jsonl.new").write_text('{"at"')
    promote_all(root, "v3")
    assert back(root) == ("v2", "v3")


def line(version: str, replaced: str | None, *, rollback: bool = False) -> Promotion:
    return Promotion(at=NOW, version=version, replaced=replaced, rollback=rollback)


@pytest.mark.parametrize(
    ("log", "present", "expected"),
    [
        ([], None, []),
        ([], "a", []),
        ([line("a", None)], "a", []),
        ([line("b", "a")], "b", ["a"]),
        ([line("b", "a"), line("a", "b")], "a", ["a", "b"]),
        ([line("b", "a"), line("b", "a")], "b", ["a"]),
        ([line("a", None), line("c", None)], "c", []),
        ([line("b", "a")], "c", ["a", "b"]),
        ([line("b", "a")], "a", []),
        ([line("b", "a")], None, ["a", "b"]),
        ([line("b", "a"), line("a", "b", rollback=True)], "a", []),
        ([line("b", "a"), line("a", "b", rollback=True)], "b", ["a"]),
        ([line("b", "a"), line("d", "c")], "d", ["a", "b", "c"]),
        ([line("b", "a"), line("x", "b"), line("c", "b")], "c", ["a", "b"]),
        # As former releases chose: past what had been replaced, and what never was in service.
        ([line("b", "a"), line("d", "c"), line("b", "d", rollback=True)], "b", ["a"]),
        (
            [line("b", "a"), line("x", "b"), line("c", "b"), line("x", "c", rollback=True)],
            "x",
            ["a", "b"],
        ),
    ],
)
def test_the_way_back(log: list[Promotion], present: str | None, expected: list[str]) -> None:
    assert way_back(Path("root"), log, present) == expected
