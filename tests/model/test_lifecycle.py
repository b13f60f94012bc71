"""``python -m model`` list, promote, rollback, card and compare."""

import re
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.store import MANIFEST_FILE, MODEL_FILE, read_manifest
from model.datasets.dataset import write_jsonl
from model.releases.versions import CURRENT, in_service
from tests.model.examples import dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("claims") / "claims.jsonl"
    write_jsonl(dataset(), path)
    return path


@pytest.fixture(scope="module")
def root(claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    for version, algorithm, share in (
        ("a", "logistic_regression", "0.2"),
        ("b", "gradient_boosting", "0.3"),
    ):
        given = ["train", "--data", str(claims), "--format", "jsonl", "--test-size", share]
        given += ["--algorithm", algorithm, "--alert-share", "0.1"]
        assert main([*given, "--model-version", version, "--output", str(folder / version)]) == 0
    return folder


def test_the_life_of_two_models(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--root", str(root)]
    assert main(["promote", "a", "--approver", "A. Reviewer", *at]) == 0
    assert main(["promote", "b", *at]) == 0
    assert "is now b, which was a" in capsys.readouterr().out
    assert in_service(root) == "b"
    assert main(["list", *at]) == 0
    shown = capsys.readouterr().out
    assert shown.index(" a ") < shown.index("*") < shown.index(" b ")
    assert main(["rollback", *at]) == 0
    assert "is now a, which was b" in capsys.readouterr().out
    assert main(["rollback", *at]) == 1
    assert "no earlier version" in capsys.readouterr().err
    assert main(["promote", "c", *at]) == 1
    assert "has no version 'c'" in capsys.readouterr().err
    assert main(["card", str(root / "current")]) == 0
    assert "Approved by: A. Reviewer" in capsys.readouterr().out
    assert main(["card", str(root / "b"), "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["approver"] is None


def test_one_of_several_models_is_promoted(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `train --algorithm all` saves them: NAME/ALGORITHM."""
    linear, boosting = "logistic_regression", "gradient_boosting"
    for name, algorithm in (("a", linear), ("b", boosting)):
        shutil.copytree(root / name, tmp_path / "all" / algorithm)
    at = ["--root", str(tmp_path)]
    assert main(["promote", "all", *at]) == 1
    several = f"contains several models: promote one of all/{boosting}, all/{linear}"
    assert several in capsys.readouterr().err
    assert main(["promote", "all/../all", *at]) == 1
    assert main(["promote", f"all/{linear}", *at]) == 0
    assert f"is now all-{linear}" in capsys.readouterr().out
    assert main(["promote", f"all/{linear}", *at]) == 1
    assert f"all-{linear} is already in service" in capsys.readouterr().err
    assert main(["promote", f"all/{boosting}", *at]) == 0
    assert in_service(tmp_path) == f"all-{boosting}"
    assert main(["promote", f"all/{linear}", *at]) == 1
    assert f"promote all-{linear}" in capsys.readouterr().err
    assert main(["rollback", *at]) == 0
    assert in_service(tmp_path) == f"all-{linear}"
    capsys.readouterr()
    assert main(["list", *at]) == 0
    shown = capsys.readouterr()
    assert [line.split()[-5] for line in shown.out.splitlines()[1:]] == [
        f"all-{linear}", f"all/{linear}", f"all-{boosting}", f"all/{boosting}",
    ]  # fmt: skip
    assert max(map(len, shown.out.splitlines())) <= 80
    assert f"all-{linear} is version a in alerts and metrics" in shown.err


def test_folder_and_version_have_the_same_name(
    claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "--data", str(claims), "--format", "jsonl", "--alert-share", "0.1"]
    one = [*given, "--algorithm", "logistic_regression"]
    every = [*given, "--algorithm", "all"]
    assert main([*one, "--output", str(tmp_path / "spring")]) == 0
    assert main([*every, "--output", str(tmp_path / "autumn")]) == 0
    assert main(["promote", "autumn/random_forest", "--root", str(tmp_path)]) == 0
    assert read_manifest(tmp_path / "spring").version == "spring"
    assert read_manifest(tmp_path / CURRENT).version == "autumn-random_forest"
    capsys.readouterr()
    assert main(["list", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
    assert main([*one, "--output", str(tmp_path / "spring")]) == 0
    assert read_manifest(tmp_path / "spring").version != "spring", "that was another model"
    assert main(["list", "--root", str(tmp_path)]) == 0
    assert re.search(r"spring is version \d{8}\.\d{6} in alerts", capsys.readouterr().err)
    assert main([*every, "--output", str(tmp_path / "new" / CURRENT)]) == 1
    assert "name another folder for all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [([], True), (["--threshold", "0.5"], False), (["--alert-share", "0.1"], False)],
)
def test_a_threshold_that_nobody_chose_is_pointed_out(
    claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: bool
) -> None:
    told = ["train", "--data", str(claims), "--format", "jsonl", "--output", str(tmp_path / "m")]
    assert main([*told, "--algorithm", "logistic_regression", *given]) == 0
    shown = capsys.readouterr().err
    assert ("--alert-share 0.05 would refer 5 %" in shown) is said
    assert bool(re.search(r"it refers \d+\.\d% of the training claims, \S+ a day", shown)) is said


def damage(folder: Path) -> Path:
    """A copy of a folder of versions in which one manifest is damaged."""
    broken = folder / "a" / MANIFEST_FILE
    broken.write_bytes(broken.read_bytes()[:40])
    return broken


@pytest.mark.parametrize("as_json", [True, False])
def test_a_damaged_version_is_named_and_the_others_are_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    place = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    broken = damage(place)
    (place / "half").mkdir()
    (place / "half" / MODEL_FILE).touch()
    (place / "notes").mkdir()
    assert main(["list", "--root", str(place), *(["--json"] if as_json else [])]) == 1
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.err.splitlines()] == ["left", "left"]
    assert f"left out: {broken} is not a manifest: " in shown.err
    assert f"left out: cannot read {place / 'half' / MANIFEST_FILE}: No such file" in shown.err
    assert "gradient_boosting" in shown.out
    assert "logistic_regression" not in shown.out


def test_a_link_to_nothing_is_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    (place / "current").unlink(missing_ok=True)
    (place / "current").symlink_to("gone")
    assert main(["list", "--root", str(place)]) == 1
    assert f"{place / 'current'} refers to gone, which does not exist" in capsys.readouterr().err


def test_a_damaged_version_is_named_and_the_others_are_compared(
    root: Path, claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    broken = damage(place)
    folders = [str(place / "a"), str(place / "b")]
    same = ["--data", str(claims), "--format", "jsonl"]
    for more in ([], same, ["--json"], [*same, "--json"]):
        assert main(["compare", *folders, *more]) == 1
        shown = capsys.readouterr()
        assert f"left out: {broken} is not a manifest: " in shown.err
        assert "gradient_boosting" in shown.out
    assert main(["compare", folders[0]]) == 1
    assert capsys.readouterr().out == ""


def test_a_damaged_version_is_not_in_the_way_of_another(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    (place / "c").symlink_to("b")
    broken = damage(place)
    assert main(["card", str(place / "b")]) == 0
    assert main(["card", str(place / "a")]) == 1
    assert f"{broken} is not a manifest: " in capsys.readouterr().err
    (place / "current").unlink(missing_ok=True)
    (place / "promotions.jsonl").unlink(missing_ok=True)
    for version in ("b", "c"):
        assert main(["promote", version, "--root", str(place)]) == 0
    assert main(["rollback", "--root", str(place)]) == 0
    assert in_service(place) == "b"


def test_a_damaged_line_of_the_log_is_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    log = place / "promotions.jsonl"
    log.write_bytes(b'{"at": "2026-01-02T00:00:00Z", "version": "b", "replaced": null}\n{"at"\n')
    for command in (["rollback", "--root", str(place)], ["card", str(place / "b")]):
        assert main(command) == 1
        assert f"{log}, line 2: not the record of a promotion: " in capsys.readouterr().err


def test_training_into_the_link_is_refused_before_the_work(
    claims: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "current").symlink_to(root / "a")
    given = ["train", "--data", "none.jsonl", "--format", "jsonl", "--output"]
    assert main([*given, str(tmp_path / "current")]) == 1
    assert "is a link to" in capsys.readouterr().err
    assert main([*given, str(tmp_path / "current"), "--algorithm", "all"]) == 1
    assert "cannot hold several models" in capsys.readouterr().err
    assert (tmp_path / "current").is_symlink()


def test_stored_figures_of_other_claims_are_not_compared_silently(
    root: Path, claims: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [str(root / "a"), str(root / "b")]
    assert main(["compare", *both]) == 0
    shown = capsys.readouterr()
    assert "different test claims" in shown.err
    for version in ("a", "b"):
        assert f"{read_manifest(root / version).metrics.brier:.4f}" in shown.out
    assert main(["compare", both[0], both[0]]) == 0
    assert capsys.readouterr().err == ""
    assert main(["compare", *both, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {one["version"]: one["metrics"]["brier"] for one in map(msgspec.json.decode, lines)}
    assert found == {v: read_manifest(root / v).metrics.brier for v in ("a", "b")}


def test_models_are_compared_on_the_same_claims(
    root: Path, claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [str(root / "a"), str(root / "b")]
    write_jsonl(dataset(250, seed=8), tmp_path / "new.jsonl")
    on = ["--data", str(tmp_path / "new.jsonl"), "--format", "jsonl"]
    assert main(["compare", *both, *on]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("250") == 2
    assert shown.err == ""
    assert main(["compare", *both, "--data", str(claims), "--format", "jsonl"]) == 0
    assert "was trained on some of these claims" in capsys.readouterr().err


def test_evaluate_writes_a_report(
    root: Path, claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate", "--model", str(root / "a"), "--data", str(claims), "--format", "jsonl"]
    assert main([*given, "--report", str(tmp_path / "r.html"), "--json"]) == 0
    figure = msgspec.json.decode(capsys.readouterr().out)["brier"]
    assert f"{figure:.4f}" in (tmp_path / "r.html").read_text()


def test_a_report_that_cannot_be_drawn_is_told_before_the_work(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    given = ["evaluate", "--model", str(tmp_path), "--data", "none", "--format", "jsonl"]
    assert main([*given, "--report", str(tmp_path / "r.html")]) == 1
    assert "--report needs matplotlib" in capsys.readouterr().err


def test_each_policy_can_be_asked_for(claims: Path, tmp_path: Path) -> None:
    given = ["train", "--data", str(claims), "--format", "jsonl", "--output", str(tmp_path / "m")]
    given += ["--algorithm", "logistic_regression"]
    for options, words in (
        (["--threshold", "0.3"], "fixed"),
        (["--alerts-per-day", "0.5"], "0.5 a day"),
        (["--costs", "8000", "400"], "cost 400 against 8000"),
    ):
        assert main([*given, *options]) == 0
        assert str(read_manifest(tmp_path / "m").policy) == words
    assert read_manifest(tmp_path / "m").levels.threshold == pytest.approx(0.05)


def test_prequential_steps_are_in_the_report(claims: Path, tmp_path: Path) -> None:
    given = ["train", "--data", str(claims), "--format", "jsonl", "--output", str(tmp_path / "m")]
    assert main([*given, "--algorithm", "logistic_regression", "--prequential"]) == 0
    text = (tmp_path / "m" / "report.html").read_text()
    assert "Month by month, trained on what was known" in text
