"""``python -m model`` list, promote, rollback, card and compare."""

from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.store import read_manifest
from model.datasets.dataset import write_jsonl
from model.releases.versions import in_service
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
    monkeypatch.setattr("model.cli.commands.can_draw", lambda: False)
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
