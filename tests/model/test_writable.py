"""A model that anyone could replace is not loaded."""

from pathlib import Path

import pytest

from consumer.__main__ import main as consume
from model.__main__ import main
from model.artifact.store import ArtifactError
from model.files.permissions import HAS_MODES, open_to_all
from model.scoring.load import load
from model.training.train import write
from tests.model.examples import linear
from tests.model.test_artifact import NOW

pytestmark = pytest.mark.skipif(not HAS_MODES, reason="modes say something on POSIX only")

FILES = ("model.joblib", "model.json", "reference.json", "contract.json", "manifest.json")
TRAINED = linear()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """links/current -> versions/1, an artifact."""
    write(TRAINED, tmp_path / "versions" / "1", created_at=NOW)
    link = tmp_path / "links" / "current"
    link.parent.mkdir()
    link.symlink_to("../versions/1")
    return link


def chmod(path: Path, mode: int) -> Path:
    path.chmod(mode)
    return path


@pytest.mark.parametrize("name", ["versions/1", "versions", "links", "."])
def test_a_folder_on_the_way_that_anybody_may_write_to(link: Path, name: str) -> None:
    assert load(link).name == "logistic_regression"
    open_place = chmod(link.parents[1] / name, 0o777)
    with pytest.raises(ArtifactError, match=r"anyone .* chmod o-w /") as refused:
        load(link)
    named = Path(str(refused.value).rpartition("chmod o-w ")[2])
    assert named.samefile(open_place)
    named.chmod(0o755)
    assert load(link).name == "logistic_regression"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_anybody_may_write_to(link: Path, name: str) -> None:
    file = chmod(link.resolve() / name, 0o646)
    with pytest.raises(ArtifactError, match=f"chmod o-w {file}$"):
        load(link)


def test_files_that_are_links_are_followed(link: Path, tmp_path: Path) -> None:
    """Kubernetes mounts the files of a volume made of objects as links."""
    store = tmp_path / "store"
    store.mkdir()
    file = link / "model.joblib"
    file.resolve().rename(store / "model.joblib")
    file.symlink_to(store / "model.joblib")
    assert load(link).name == "logistic_regression"
    chmod(store, 0o777)
    with pytest.raises(ArtifactError, match=f"chmod o-w {store}$"):
        load(link)


def test_a_link_in_the_middle_of_the_path_is_followed(link: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "hop").symlink_to(link.parents[1] / "versions")
    (tmp_path / "start").symlink_to(hidden / "hop")
    path = tmp_path / "start" / "1"
    assert open_to_all(path) is None
    chmod(hidden, 0o777)
    assert open_to_all(path) == hidden


def test_a_group_may_write(link: Path) -> None:
    for place in (link.parent, link.resolve(), *(link.resolve() / name for name in FILES)):
        chmod(place, 0o775)
    assert load(link).name == "logistic_regression"


def test_a_sticky_folder_may_be_passed_through_but_hold_no_artifact(link: Path) -> None:
    chmod(link.parents[1], 0o1777)
    assert load(link).name == "logistic_regression"
    chmod(link.resolve(), 0o1777)
    with pytest.raises(ArtifactError, match="anyone"):
        load(link)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ArtifactError, match="cannot read"):
        load(tmp_path / "a")


@pytest.mark.parametrize("command", ["run", "serve"])
def test_the_commands_refuse_it_with_their_exit_code(
    command: str,
    link: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("METRICS_PORT", "API_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("MODEL_DIR", str(link))
    open_place = chmod(link.resolve(), 0o757)
    assert consume([command]) == 3
    said = capsys.readouterr().err
    assert f"error: MODEL_DIR={link}: " in said
    assert f"chmod o-w {open_place}" in said


def test_it_is_not_promoted(link: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = link.resolve().parent
    chmod(root / "1", 0o757)
    assert main(["promote", "1", "--root", str(root)]) == 1
    assert "chmod o-w" in capsys.readouterr().err


def test_the_sticky_bit_of_a_file_does_not_close_it(link: Path) -> None:
    file = chmod(link.resolve() / "model.joblib", 0o1666)
    with pytest.raises(ArtifactError, match=f"chmod o-w {file}$"):
        load(link)
