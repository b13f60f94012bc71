"""``python -m model`` as a person or a script uses it."""

from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact import read_manifest
from model.datasets import write_jsonl
from model.evaluate import Report
from tests.model.examples import dataset

FIGURES = {
    "accuracy",
    "average_precision",
    "brier",
    "f1",
    "fraud_rate",
    "n",
    "precision",
    "recall",
    "recall_at_10pct",
    "recall_at_5pct",
    "roc_auc",
    "threshold",
}


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("claims") / "claims.jsonl"
    write_jsonl(dataset(), path)
    return path


@pytest.fixture(scope="module")
def model(claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "m"
    assert main([*train(claims, folder), "--split", "time"]) == 0
    return folder


def train(claims: Path, folder: Path) -> list[str]:
    given = ["train", "--data", str(claims), "--format", "jsonl", "--output", str(folder)]
    return [*given, "--algorithm", "logistic_regression"]


def evaluate(claims: Path, model: Path, *more: str) -> list[str]:
    return ["evaluate", "--data", str(claims), "--format", "jsonl", "--model", str(model), *more]


def test_all_trains_three_and_compares_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--data", "synthetic", "--rows", "1500", "--output", str(tmp_path)]
    assert main([*arguments, "--algorithm", "all"]) == 0
    shown = capsys.readouterr().out
    for algorithm in ("logistic_regression", "random_forest", "gradient_boosting"):
        assert algorithm in shown
        figure = read_manifest(tmp_path / algorithm).metrics.roc_auc
        assert f"{figure:.4f}" in shown


def test_evaluate_prints_one_object_of_the_held_out_side(
    claims: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(evaluate(claims, model, "--json")) == 0
    shown = capsys.readouterr()
    found = msgspec.json.decode(shown.out)
    assert found.keys() >= FIGURES
    assert msgspec.convert(found, Report) == read_manifest(model).metrics
    assert shown.err == ""
    assert shown.out.count("\n") == 1


def test_evaluate_warns_of_rows_trained_on(
    claims: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_on = read_manifest(model).trained_on.training_rows
    assert main(evaluate(claims, model, "--split", "none", "--json")) == 0
    shown = capsys.readouterr()
    assert f"warning: {trained_on} of 600 rows were trained on" in shown.err
    assert msgspec.json.decode(shown.out)["n"] == 600
    assert main(evaluate(claims, model, "--split", "random")) == 0
    shown = capsys.readouterr()
    assert "of 120 rows were trained on" in shown.err
    assert "roc_auc" in shown.out


def test_other_claims_are_evaluated_whole(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(dataset(300, seed=9), tmp_path / "new.jsonl")
    assert main(evaluate(tmp_path / "new.jsonl", model, "--json")) == 0
    shown = capsys.readouterr()
    assert msgspec.json.decode(shown.out)["n"] == 300
    assert shown.err == ""


TRAIN = ["train", "--data", "synthetic", "--output", "o"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["train", "--data", "x.csv", "--output", "o"], "--format is needed"),
        (["train", "--data", "synthetic"], "--output"),
        ([*TRAIN, "--test-size", "2"], "--test-size"),
        ([*TRAIN, "--test-size", "x"], "'x' is not a number"),
        ([*TRAIN, "--cutoff", "1996-01-01"], "--cutoff needs --split time"),
        ([*TRAIN, "--cutoff", "1996"], "not a day like"),
        ([*TRAIN, "--algorithm", "svm"], "--algorithm"),
        ([*TRAIN, "--rows", "0"], "--rows"),
        ([*TRAIN, "--rows", "1e3"], "'1e3' is not a whole"),
        ([*TRAIN, "--threshold", "nan"], "--threshold"),
        ([*TRAIN, "--alerts-per-day", "0"], "not above 0"),
        ([*TRAIN, "--alert-share", "0.1", "--threshold", "0.3"], "not allowed with"),
    ],
)
def test_wrong_usage_names_the_option(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_failures_are_told_in_one_line(
    claims: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in [
        (evaluate(claims, tmp_path), "cannot read"),
        (evaluate(tmp_path / "none.jsonl", model), "none.jsonl"),
        (train(tmp_path / "none.jsonl", claims.parent), "not an artifact"),  # before reading
    ]:
        assert main(arguments) == 1
        shown = capsys.readouterr().err
        assert message in shown
        assert shown.count("\n") == 1
