"""Training onto the model in service makes a version with a way back."""

import datetime as dt
import shutil
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError
from model.datasets.dataset import write_jsonl
from model.releases.placing import place, put_into_service, version_of
from model.releases.promotions import LOG
from model.releases.signing import SIGNATURE_FILE
from model.releases.terms import Terms
from model.releases.versions import CURRENT, in_service, promote, rollback
from model.scoring.load import load
from model.training.train import write
from tests.model.examples import dataset, linear

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def save(root: Path, name: str, version: str) -> Path:
    write(linear(), root / name, created_at=NOW, version=version)
    return root / name


def test_a_folder_of_its_own_stays_what_it_is(tmp_path: Path) -> None:
    for output in (tmp_path / CURRENT, save(tmp_path, "m", "1")):
        found = place(output)
        assert not found.in_service
        assert found.folder("2") == output


def test_a_model_is_called_as_its_folder_unless_that_name_is_taken(tmp_path: Path) -> None:
    assert version_of(tmp_path / "m") == "m"
    assert version_of(tmp_path / "all" / "random_forest", one_of_several=True) == (
        "all-random_forest"
    )
    for output in (tmp_path / CURRENT, tmp_path / ".hidden", save(tmp_path, "1", "1")):
        assert version_of(output) == "", "date and time"
    promote(tmp_path, "1", NOW)
    save(tmp_path, "2", "2")
    promote(tmp_path, "2", NOW)
    shutil.rmtree(tmp_path / "1")
    assert version_of(tmp_path / "1") == "", "alerts of the former one have that version"
    save(tmp_path, "all-a", "3")
    assert version_of(tmp_path / "all" / "a", one_of_several=True) == ""


def test_the_folder_in_service_becomes_a_version(tmp_path: Path) -> None:
    save(tmp_path, CURRENT, "1")
    found = place(tmp_path / CURRENT, "2")
    assert found.in_service
    assert found.folder("2") == tmp_path / "2"
    save(tmp_path, "2", "2")
    assert put_into_service(tmp_path / "2", NOW, print).replaced == "1"
    assert load(tmp_path / CURRENT).version == "2"
    rollback(tmp_path, NOW)
    assert load(tmp_path / CURRENT).version == "1"


@pytest.mark.parametrize("output", [CURRENT, "1"])
def test_the_link_and_its_target_are_the_model_in_service(tmp_path: Path, output: str) -> None:
    save(tmp_path, "1", "1")
    promote(tmp_path, "1", NOW)
    assert place(tmp_path / output, "2").folder("2") == tmp_path / "2"
    with pytest.raises(ArtifactError, match="1 exists: give the new model another --model-version"):
        place(tmp_path / output, "1")


def test_a_version_to_go_back_to_is_not_overwritten(tmp_path: Path) -> None:
    for version in ("1", "2"):
        save(tmp_path, version, version)
        promote(tmp_path, version, NOW)
    with pytest.raises(ArtifactError, match="was in service, and rollback may go back to it"):
        place(tmp_path / "1")


def test_a_link_to_a_model_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / CURRENT).symlink_to(save(tmp_path, "elsewhere", "1"))
    with pytest.raises(ArtifactError, match="is a link to"):
        place(root / CURRENT)


def test_an_unsigned_model_does_not_follow_a_signed_one(tmp_path: Path) -> None:
    (save(tmp_path, CURRENT, "1") / SIGNATURE_FILE).write_bytes(b"signed")
    new = save(tmp_path, "2", "2")
    with pytest.raises(ArtifactError, match=r"not put into service yet.* is signed and .* sign "):
        put_into_service(new, NOW, print)
    assert load(tmp_path / CURRENT).version == "1"
    assert not (tmp_path / CURRENT).is_symlink()


def test_what_a_version_refers_to_is_not_overwritten_either(tmp_path: Path) -> None:
    """A version may be a link, and `current` one of several models in a folder."""
    save(tmp_path, "3", "3")
    (tmp_path / "1").symlink_to(save(tmp_path, "here", "1").name)
    promote(tmp_path, "1", NOW)
    promote(tmp_path, "3", NOW)
    save(tmp_path / "all", "a", "2")
    save(tmp_path / "all", "b", "4")
    (tmp_path / CURRENT).unlink()
    (tmp_path / CURRENT).symlink_to("all/a")
    for folder in (tmp_path / "here", tmp_path / "all" / "a"):
        with pytest.raises(ArtifactError, match="is or was in service, and rollback may go back"):
            place(folder)
    assert not place(tmp_path / "all" / "b").in_service
    promote(tmp_path, "3", NOW)
    with pytest.raises(ArtifactError, match="is or was in service, and rollback may go back"):
        place(tmp_path / "all" / "a")


def test_what_is_above_a_folder_of_models_is_no_concern(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("somebody else's")
    output = save(tmp_path / "a", "m", "1")
    assert place(output).folder("2") == output
    (tmp_path / CURRENT).symlink_to("a/m")
    with pytest.raises(ArtifactError, match=LOG):
        place(output)


@pytest.mark.slow
def test_the_command_trains_onto_the_model_in_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(dataset(1_200), tmp_path / "claims.jsonl")
    root = tmp_path / "artifacts"
    given = ["train", "--data", str(tmp_path / "claims.jsonl"), "--format", "jsonl"]
    given += ["--algorithm", "logistic_regression", "--output", str(root / CURRENT)]
    budget = ["--alert-share", "0.1"]
    assert main([*given, *budget, "--model-version", "1"]) == 0
    assert in_service(root) == CURRENT
    capsys.readouterr()
    assert main([*given, *budget, "--model-version", "2"]) == 0
    shown = capsys.readouterr().out
    assert f"saved {root / '2'}\n" in shown
    assert "is now 2, which was 1" in shown
    assert f"rollback --root {root} goes back to 1" in shown
    assert msgspec.json.decode((root / "1" / "manifest.json").read_bytes())["version"] == "1"
    # With doubts, the model in service stays; the new one is kept next to it.
    assert main([*given, "--threshold", "1", "--model-version", "3"]) == 1
    said = capsys.readouterr().err
    assert "warning: logistic_regression: the threshold 1.0000 refers nobody" in said
    assert "3 is not put into service" in said
    assert "--despite REASON" in said
    assert load(root / "3").version == "3"
    assert in_service(root) == "2"
    for command in (["promote", "3", "--despite", "a pilot"], ["rollback"]):
        assert main([*command, "--root", str(root)]) == 0
    assert in_service(root) == "2"
    every = [*given[:-2], "--algorithm", "all", "--output", str(tmp_path)]
    assert main([*every, "--rows", "300"]) == 0
    capsys.readouterr()
    promote(tmp_path, "random_forest", NOW, terms=Terms(despite="a test"))
    assert main(every) == 1
    assert "is in service: name another --output" in capsys.readouterr().err


def test_an_empty_reason_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["promote", "1", "--root", str(tmp_path), "--despite", " "])
    assert "an empty text is not a reason" in capsys.readouterr().err
