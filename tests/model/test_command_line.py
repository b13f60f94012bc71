"""``python -m model`` as a person or a script uses it."""

import dataclasses
import datetime as dt
import os
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main, parser
from model.artifact.store import read_manifest
from model.cli.terminal import show
from model.datasets.dataset import load, write_jsonl
from model.metrics import Report
from model.studies import commands, quality, search
from tests.model.examples import dataset
from tests.model.sources import shared

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


def test_the_name_of_a_file_may_be_no_text(claims: Path, tmp_path: Path) -> None:
    """Names of files are bytes; those of another encoding used to end the training at its end."""
    data = tmp_path / os.fsdecode(b"claims\xff.jsonl")
    data.write_bytes(claims.read_bytes())
    assert main(train(data, tmp_path / "m")) == 0
    assert read_manifest(tmp_path / "m").trained_on.name == "claims\N{REPLACEMENT CHARACTER}.jsonl"


@pytest.mark.slow
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


def numbered(path: Path) -> None:
    """Claims whose policy numbers give the frauds away."""
    plain = dataset()
    numbers = [f"{1 + 8 * int(label)}{n:05}" for n, label in enumerate(plain.labels)]
    claims = tuple(
        msgspec.structs.replace(claim, policy_number=number)
        for claim, number in zip(plain.claims, numbers, strict=True)
    )
    write_jsonl(dataclasses.replace(plain, claims=claims), path)


@pytest.mark.slow
def test_a_leak_stops_training_until_it_is_allowed_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered(tmp_path / "claims.jsonl")
    told = [*train(tmp_path / "claims.jsonl", tmp_path / "m"), "--feature", "policy_number"]
    assert main(told) == 1
    assert "--allow-leak policy_number" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
    assert main([*told, "--allow-leak", "policy_number"]) == 0
    assert "warning: allowed: policy_number predicts the label" in capsys.readouterr().err
    assert "policy_number" in read_manifest(tmp_path / "m").features
    for name in ("card.md", "report.html"):
        assert "Allowed by name." in (tmp_path / "m" / name).read_text()


@pytest.mark.slow
def test_metadata_that_no_model_sees_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered(tmp_path / "claims.jsonl")
    assert main(train(tmp_path / "claims.jsonl", tmp_path / "m")) == 0
    assert "warning: policy_number distinguish fraud from other claims" in capsys.readouterr().err
    assert "The model does not see it." in (tmp_path / "m" / "card.md").read_text()


@pytest.mark.slow
def test_policy_number_of_carclaims_stops_the_training_and_the_defaults_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "--data", shared("fraud_oracle.csv"), "--format", "carclaims"]
    given += ["--algorithm", "logistic_regression", "--output", str(tmp_path / "m")]
    assert main([*given, "--feature", "policy_number"]) == 1
    assert "policy_number predicts the label" in capsys.readouterr().err
    assert main(given) == 0
    assert "policy_number" not in read_manifest(tmp_path / "m").features


def test_figures_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"protocol": "later", "algorithm": "one", "mean": 0.5, "low": 0.4, "high": 0.6, "runs": 1}
    found = [quality.Figure(metric=name, **of) for name in quality.METRICS]  # type: ignore[arg-type]
    output = tmp_path / "figures.json"
    asked = parser().parse_args(["quality", "--data-dir", "x", "--json", str(output)])
    commands.quality(asked, lambda folder, on_fit: found)
    assert f"{found[0].mean:.4f}" in capsys.readouterr().out
    assert msgspec.json.decode(output.read_bytes(), type=list[quality.Figure]) == found
    nowhere = str(tmp_path / "none" / "figures.json")
    assert main(["quality", "--data-dir", "x", "--json", nowhere]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_every_candidate_is_validated_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    made = search.before(load("synthetic", "synthetic", rows=2_000), dt.date(2023, 7, 1))
    tried = search.candidates()[:2]
    show(commands.validated(made, tried))
    shown = capsys.readouterr().out
    best = search.validate(made, tried[1])
    assert str(tried[1]) in shown
    assert f"{best['roc_auc']:.4f}" in shown


@pytest.mark.parametrize("command", ["quality", "search"])
def test_a_missing_data_set_is_told(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--data-dir", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"python -m model {command}: " in told
    assert "fraud_oracle.csv" in told


@pytest.mark.slow
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
    assert f"warning: the model was trained on {trained_on} of 600 rows" in shown.err
    assert msgspec.json.decode(shown.out)["n"] == 600
    assert main(evaluate(claims, model, "--split", "random")) == 0
    shown = capsys.readouterr()
    assert "of 120 rows: the figures are too optimistic" in shown.err
    assert "roc_auc" in shown.out


def test_no_claim_that_was_trained_on_is_an_example(
    claims: Path, model: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    assert main(evaluate(claims, model, "--report", str(report))) == 0
    assert "Frauds that are missed" in report.read_text()
    assert main(evaluate(claims, model, "--split", "none", "--report", str(report))) == 0
    assert "Caught and missed" in report.read_text()
    assert "Frauds that are missed" not in report.read_text()


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
        (["train", "--data", "x.csv", "--output", "o"], "--format is required"),
        (["train", "--data", "synthetic"], "--output"),
        ([*TRAIN, "--test-size", "2"], "--test-size"),
        ([*TRAIN, "--test-size", "x"], "'x' is not a number"),
        ([*TRAIN, "--cutoff", "1996-01-01"], "--cutoff needs --split time"),
        ([*TRAIN, "--cutoff", "1996"], "not a day like"),
        ([*TRAIN, "--algorithm", "svm"], "--algorithm"),
        (["quality"], "--data-dir"),
        ([*TRAIN, "--rows", "0"], "--rows"),
        ([*TRAIN, "--rows", "1e3"], "'1e3' is not a whole"),
        ([*TRAIN, "--rows", "9" * 30], "from 1 to 1,000,000,000"),
        ([*TRAIN, "--seed", "-1"], "--seed: '-1' is not a whole number from 0"),
        ([*TRAIN, "--seed", "4294967296"], "from 0 to 4,294,967,295"),
        ([*TRAIN, "--costs", "1", "inf"], "'inf' is not a number"),
        ([*TRAIN, "--threshold", "nan"], "--threshold"),
        ([*TRAIN, "--alerts-per-day", "0"], "not above 0"),
        ([*TRAIN, "--alert-share", "0.1", "--threshold", "0.3"], "not allowed with"),
        ([*TRAIN, "--name", "n" * 201], "is not a name of at most 200 printable characters"),
        ([*TRAIN, "--name", "two\nlines"], "--name: 'two\\nlines' is not a name"),
        ([*TRAIN, "--name", "\udcff"], "--name: '\\udcff' is not a name"),
        (["promote", "v1", "--approver", "\x1b[31m"], "--approver: '\\x1b[31m' is not a name"),
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
        (
            [*train(claims, tmp_path / "m"), "--feature", "witneses"],
            "--feature witneses: neither a field nor a derived fact of contract auto; did you mean "
            "witnesses?",
        ),
    ]:
        assert main(arguments) == 1
        shown = capsys.readouterr().err
        assert message in shown
        assert shown.count("\n") == 1


def test_a_manifest_cannot_make_a_message_endless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "model"
    made.mkdir()
    (made / "manifest.json").write_text('{"algorithm": "' + "x" * 1_000_000 + '"}')
    assert main(["card", str(made)]) != 0
    assert 0 < len(capsys.readouterr().err) < 10_000
