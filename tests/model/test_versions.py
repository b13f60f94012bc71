"""Versions, and which of them is in service."""

import datetime as dt
import fcntl
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError
from model.releases.lock import LOCK_FILE, alone
from model.releases.promotions import Promotion, history
from model.releases.versions import approver_of, in_service, listed, promote, rollback
from model.scoring.load import load
from model.training.train import write
from tests.harness.audit import before
from tests.model.examples import linear

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TRAINED = linear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in (3, 1, 2):
        made = NOW - number * HOUR
        write(TRAINED, tmp_path / f"v{number}", created_at=made, version=f"v{number}")
    return tmp_path


def test_versions_are_listed_oldest_first(root: Path) -> None:
    assert [v.folder.name for v in listed(root).versions] == ["v3", "v2", "v1"]
    assert not any(v.current for v in listed(root).versions)
    promote(root, "v2", NOW)
    assert [v.current for v in listed(root).versions] == [False, True, False]


def test_promotion_turns_the_link(root: Path) -> None:
    for version in ("v1", "v2"):
        promote(root, version, NOW)
        assert load(root / "current").version == version
    first, second = history(root)
    assert (first.version, first.replaced) == ("v1", None)
    assert (second.version, second.replaced) == ("v2", "v1")
    names = sorted(p.name for p in root.iterdir())
    assert names == ["current", "promotions.jsonl", "v1", "v2", "v3"]


def test_rollback_goes_back_one_promotion_at_a_time(root: Path) -> None:
    for version in ("v1", "v2", "v3"):
        promote(root, version, NOW)
    assert rollback(root, NOW).version == "v2"
    assert in_service(root) == "v2"
    assert rollback(root, NOW).version == "v1"
    with pytest.raises(ArtifactError, match="no earlier version"):
        rollback(root, NOW)
    promote(root, "v3", NOW)
    assert rollback(root, NOW).version == "v1"
    assert [entry.rollback for entry in history(root)] == [False] * 3 + [True] * 2 + [False, True]


def test_a_version_that_is_a_link_is_listed_and_promoted(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "all").mkdir(parents=True)
    for link, target in ((place / "v1", root / "v1"), (place / "all" / "v2", root / "v2")):
        link.symlink_to(target)
    (place / "notes").symlink_to(tmp_path)
    (place / "gone").symlink_to("nothing")
    assert [v.name for v in listed(place).versions if not v.name.startswith("notes")] == [
        "all/v2",
        "v1",
    ]
    promote(place, "v1", NOW, "A. Reviewer")
    assert [v.name for v in listed(place).versions if v.current] == ["v1"]
    assert approver_of(place / "current") == approver_of(place / "v1") == "A. Reviewer"
    promote(place, "all/v2", NOW)
    assert [v.name for v in listed(place).versions if v.current] == ["all-v2"]
    assert rollback(place, NOW).version == "v1"
    assert load(place / "current").version == "v1"


@pytest.mark.parametrize("target", ["current", "../root/current", "first"])
def test_a_link_to_what_is_in_service_is_no_version(root: Path, target: str) -> None:
    """Promoting it would make `current` a link to itself."""
    place = root / "root"
    place.mkdir()
    (root / "v1").rename(place / "v1")
    (root / "v2").rename(place / "v2")
    promote(place, "v1", NOW)
    (place / "first").symlink_to("current")
    (place / "now").symlink_to(target)
    assert [v.name for v in listed(place).versions] == ["v2", "v1"]
    with pytest.raises(ArtifactError, match=r"now is a link that leads to .*by its own name"):
        promote(place, "now", NOW)
    assert in_service(place) == "v1"


def test_a_copy_that_fails_is_not_left_behind(root: Path) -> None:
    (root / "all").mkdir()
    (root / "v2").rename(root / "all" / "v2")
    full = OSError(28, "No space left on device")
    with before("os.rename", failing(full)), pytest.raises(OSError, match="No space left"):
        promote(root, "all/v2", NOW)
    assert sorted(p.name for p in root.iterdir()) == ["all", "v1", "v3"]


def failing(error: OSError) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_broken_version_is_not_promoted(root: Path) -> None:
    promote(root, "v1", NOW)
    (root / "v2" / "model.joblib").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="damaged"):
        promote(root, "v2", NOW)
    assert in_service(root) == "v1"
    assert len(history(root)) == 1


def test_a_version_that_broke_is_not_gone_back_to(root: Path) -> None:
    promote(root, "v1", NOW)
    promote(root, "v2", NOW)
    shutil.rmtree(root / "v1")
    with pytest.raises(ArtifactError, match="v1"):
        rollback(root, NOW)
    assert in_service(root) == "v2"


@pytest.mark.parametrize("version", ["v9", "../v1", "current", "", "."])
def test_what_is_no_version_is_refused(root: Path, version: str) -> None:
    promote(root, "v1", NOW)
    with pytest.raises(ArtifactError, match="has no version"):
        promote(root, version, NOW)


def test_the_version_in_service_is_not_promoted_again(root: Path) -> None:
    promote(root, "v1", NOW)
    with pytest.raises(ArtifactError, match="already in service"):
        promote(root, "v1", NOW)


def test_a_current_that_is_a_folder_becomes_a_version(root: Path) -> None:
    (root / "v1").rename(root / "current")
    assert [v.current for v in listed(root).versions] == [False, False, True]
    promote(root, "v2", NOW)
    assert load(root / "v1").version == "v1"
    assert in_service(root) == "v2"
    assert rollback(root, NOW).version == "v1"


def test_a_current_folder_is_not_thrown_away(root: Path) -> None:
    shutil.copytree(root / "v1", root / "current")
    with pytest.raises(ArtifactError, match="move one away"):
        promote(root, "v2", NOW)
    assert load(root / "current").version == "v1"


PROMOTE_SLOWLY = """
import datetime as dt, sys, time
from pathlib import Path
from model.releases import versions

root, version = Path(sys.argv[1]), sys.argv[2]

def meet(folder, **_):
    # Loading takes until the other process loads as well, or so long that it never will.
    (root.parent / f"loading-{version}").touch()
    for _ in range(150):
        if len(list(root.parent.glob("loading-*"))) == 2:
            return
        time.sleep(0.01)

versions.load_model = meet
versions.promote(root, version, dt.datetime.now(dt.UTC))
"""


@pytest.mark.slow
def test_two_promotions_at_once_come_one_after_the_other(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "root"
    place.mkdir()
    for version in ("v1", "v2"):
        (root / version).rename(place / version)
    command = [sys.executable, "-c", PROMOTE_SLOWLY, str(place)]
    both = [subprocess.Popen([*command, version]) for version in ("v1", "v2")]
    assert [process.wait(60) for process in both] == [0, 0]
    first, second = history(place)
    assert {first.version, second.version} == {"v1", "v2"}
    assert (first.replaced, second.replaced) == (None, first.version)
    assert in_service(place) == second.version
    assert sorted(p.name for p in place.iterdir()) == ["current", "promotions.jsonl", "v1", "v2"]


def test_a_promotion_that_was_killed_before_the_link_was_turned(root: Path) -> None:
    promote(root, "v1", NOW)
    promote(root, "v2", NOW)
    (root / "current").unlink()
    (root / "current").symlink_to("v1")  # as it was
    assert promote(root, "v2", NOW).replaced == "v1"
    assert in_service(root) == "v2"
    assert rollback(root, NOW).version == "v1"


def test_what_a_killed_promotion_left_is_in_nobodys_way(root: Path) -> None:
    (root / ".current.new").symlink_to("v3")
    assert promote(root, "v1", NOW).version == "v1"
    assert load(root / "current").version == "v1"
    assert not (root / ".current.new").is_symlink()


def test_a_model_is_not_saved_over_the_link_to_one(root: Path) -> None:
    promote(root, "v1", NOW)
    with pytest.raises(ArtifactError, match="current is a link to v1"):
        write(TRAINED, root / "current", created_at=NOW)
    assert (root / "current").is_symlink()


def test_the_approver_is_remembered(root: Path) -> None:
    promote(root, "v1", NOW, "A. Reviewer")
    promote(root, "v2", NOW)
    assert approver_of(root / "v1") == "A. Reviewer"
    assert approver_of(root / "v2") is None


def test_what_cannot_be_read_is_told(root: Path) -> None:
    with pytest.raises(ArtifactError, match="not a folder"):
        listed(root / "none")
    (root / "promotions.jsonl").write_text("nonsense\n")
    with pytest.raises(ArtifactError, match=r"promotions\.jsonl"):
        rollback(root, NOW)


@pytest.mark.parametrize(
    "version", ["..", "v1/.", ".hidden", "promotions.jsonl", "a\nb", "x" * 201]
)
def test_a_folder_elsewhere_or_of_something_else_is_not_a_version(root: Path, version: str) -> None:
    if "/" not in version and version != ".." and len(version) < 200:
        (root / version).mkdir()
    with pytest.raises(ArtifactError, match="has no version"):
        promote(root, version, NOW)
    assert in_service(root) is None


def test_a_version_that_leads_out_of_the_folder_is_not_kept_there(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write(TRAINED, root / "current", created_at=NOW, version="../../x")
    write(TRAINED, root / "v2", created_at=NOW, version="v2")
    with pytest.raises(ArtifactError, match=r"'../../x' cannot be used as a folder name"):
        promote(root, "v2", NOW)
    assert load(root / "current").version == "../../x"


def test_a_log_cannot_lead_out_of_the_folder(root: Path) -> None:
    promote(root, "v1", NOW)
    promote(root, "v2", NOW)
    log = root / "promotions.jsonl"
    log.write_text(log.read_text().replace('"v1"', '"../v1"'))
    with pytest.raises(ArtifactError, match=r"has no version '\.\./v1'"):
        rollback(root, NOW)


def test_a_log_that_begins_with_a_rollback_is_refused(root: Path) -> None:
    entry = Promotion(at=NOW, version="v1", replaced="v2", rollback=True)
    (root / "promotions.jsonl").write_bytes(msgspec.json.encode(entry) + b"\n")
    with pytest.raises(ArtifactError, match=r"promotions\.jsonl, line 1: there is no promotion"):
        rollback(root, NOW)
    assert promote(root, "v1", NOW).version == "v1"


def test_the_version_of_a_new_model_is_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "--data", "synthetic", "--output", str(tmp_path / "m")]
    with pytest.raises(SystemExit):
        main([*given, "--model-version", "../../x"])
    assert "cannot be used as a folder name" in capsys.readouterr().err


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a separate process; one that waits forever fails the test."""
    return subprocess.run(
        [sys.executable, "-m", "model", *arguments, "--root", str(root)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_a_lock_of_the_folder_itself_which_any_account_may_take_keeps_nobody_waiting(
    root: Path,
) -> None:
    folder = os.open(root, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        done = command(root, "promote", "v1")
    finally:
        os.close(folder)
    assert done.returncode == 0, done.stderr
    assert in_service(root) == "v1"


def test_a_promotion_that_takes_too_long_is_named(root: Path) -> None:
    with alone(root), pytest.raises(ArtifactError) as refused:
        promote(root, "v1", NOW, limit_s=0)
    assert str(root / LOCK_FILE) in str(refused.value)
    assert f"process {os.getpid()} of user {os.geteuid()} on " in str(refused.value)
    assert promote(root, "v1", NOW).version == "v1"


def test_a_lock_that_a_killed_promotion_left_is_in_nobodys_way(root: Path) -> None:
    (root / LOCK_FILE).write_text("process 1 of user 0 on elsewhere")
    promote(root, "v1", NOW)
    assert not (root / LOCK_FILE).exists()


@pytest.mark.parametrize(("folder", "mode"), [(0o755, 0o600), (0o775, 0o660)])
def test_only_those_who_may_write_to_the_folder_may_lock_it(
    root: Path, folder: int, mode: int
) -> None:
    root.chmod(folder)
    with alone(root):
        assert stat.S_IMODE((root / LOCK_FILE).stat().st_mode) == mode
        assert (root / LOCK_FILE).stat().st_gid == root.stat().st_gid


AS_ANOTHER = """
import os, sys
from pathlib import Path
from model.releases.lock import LockedError, alone

root = Path(sys.argv[1])
os.setgid(65534)
os.setuid(65534)
try:
    with alone(root, 0):
        print("locked")
except LockedError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another account")
def test_a_lock_file_of_another_account_is_named(root: Path) -> None:
    (root / LOCK_FILE).touch(0o600)
    for place in (root, *root.parents[:3]):
        place.chmod(0o1777)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, str(root)], check=False, capture_output=True, text=True
    )
    assert f"{root / LOCK_FILE} belongs to another account (root)" in done.stdout, done.stderr


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="none has no version"):
        promote(tmp_path / "none", "v1", NOW)
    with pytest.raises(ArtifactError, match="none is not a folder"):
        rollback(tmp_path / "none", NOW)


def test_a_promotion_that_fails_leaves_no_lock_behind(root: Path) -> None:
    """A file that is left would be in the way of every other account."""
    (root / "v1" / "model.joblib").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="damaged"):
        promote(root, "v1", NOW)
    assert not (root / LOCK_FILE).exists()
