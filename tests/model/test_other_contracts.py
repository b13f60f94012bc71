"""Claims of another contract than the model's, and of none that was asked for."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.__main__ import main
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load_by_contract, write_jsonl
from model.offline.contracts import other_claims, shared
from model.training.train import train, write
from schemas.contract.model import Contract
from schemas.contract.parse import parse
from tests.model.examples import dataset, linear
from tests.schemas.contracts import document, shipped, small

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
AUTO, HEALTH = shipped("auto"), shipped("health")
AMOUNT = {"type": "number", "x-role": "feature", "x-unit": "km"}
ONE = small({"amount": AMOUNT})
BOTH = "it scores claims of contract {} 1, and these are read through contract {} 1"


def renamed(contract: Contract, name: str) -> Contract:
    """The same contract by another name."""
    about = {**contract.tree["x-contract"], "name": name}
    return parse({**contract.tree, "x-contract": about}, "renamed.yaml")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of auto claims, one of health claims and one of auto claims by another name."""
    folder = tmp_path_factory.mktemp("models")
    of_health = load_by_contract("synthetic", HEALTH, rows=1_200)
    plan = SplitPlan(kind="random")
    write(linear(), folder / "a", created_at=NOW, version="a")
    write(linear(), folder / "b", created_at=NOW, version="b")
    other = linear()._replace(contract=renamed(AUTO, "motor-fleet"))
    write(other, folder / "fleet", created_at=NOW, version="fleet")
    trained = train(of_health, "logistic_regression", plan)
    write(trained, folder / "health", created_at=NOW, version="health")
    write_jsonl(dataset(250, seed=8), folder / "new.jsonl")
    return folder


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (ONE, None),
        (small({"amount": AMOUNT, "more": AMOUNT}), None),
        (renamed(ONE, "large"), "and these are read through contract large 1"),
        (small({"more": AMOUNT}), "small 1, which has no amount, or means something else by it"),
        (small({"amount": {**AMOUNT, "type": "string"}}), "which has no amount, or means"),
        (small({"amount": {**AMOUNT, "x-unit": "miles"}}), "which has no amount, or means"),
        (
            small({"amount": AMOUNT}, x_contract={**document({})["x-contract"], "currency": "EUR"}),
            "whose amounts are in another currency",
        ),
    ],
)
def test_claims_that_a_model_cannot_score(read: Contract, words: str | None) -> None:
    found = other_claims(ONE, read)
    assert found is None if words is None else words in (found or "")


def test_the_contract_that_all_models_claims_can_be_read_through() -> None:
    wider = small({"amount": AMOUNT, "more": AMOUNT})
    assert shared([ONE, wider, ONE]) is wider
    assert shared([ONE]) is ONE
    assert shared([ONE, renamed(wider, "large")]) is None


@pytest.mark.parametrize(
    ("model", "data", "option", "of", "read"),
    [
        ("health", "new.jsonl", ["--format", "jsonl"], "health", "auto"),
        ("health", "new.jsonl", ["--contract", "auto"], "health", "auto"),
        ("a", "synthetic", ["--contract", "health"], "auto", "health"),
        ("fleet", "new.jsonl", ["--format", "jsonl"], "motor-fleet", "auto"),
    ],
)
def test_evaluate_names_both_contracts_and_the_way_out(
    root: Path, capsys: pytest.CaptureFixture[str],
    model: str, data: str, option: list[str], of: str, read: str,
) -> None:  # fmt: skip
    data = data if data == "synthetic" else str(root / data)
    assert main(["evaluate", "--model", str(root / model), "--data", data, *option]) == 1
    said = capsys.readouterr().err
    assert BOTH.format(of, read) in said
    assert f"without {option[0]} they are read through the model's own" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("option", [["--format", "jsonl"], ["--contract", "auto"]])
def test_compare_leaves_out_models_of_another_contract(
    root: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    given = ["--data", str(root / "new.jsonl"), *option, "--json"]
    models = [str(root / name) for name in ("a", "health", "fleet", "b")]
    assert main(["compare", *models, *given]) == 1
    said = capsys.readouterr()
    assert compared(said.out) == ["a", "b"]
    for line, of in zip(said.err.splitlines(), ("health", "motor-fleet"), strict=True):
        assert line.startswith("left out: ")
        assert BOTH.format(of, "auto") in line
    assert main(["compare", str(root / "health"), *given]) == 1
    assert capsys.readouterr().out == ""


def compared(out: str) -> list[Any]:
    return [msgspec.json.decode(line)["version"] for line in out.splitlines()]


def test_compare_reads_claims_through_the_contract_of_the_models(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `promote` recommends it, and as `evaluate` does."""
    on = ["--data", str(root / "new.jsonl"), "--json"]
    assert main(["compare", str(root / "a"), str(root / "b"), *on]) == 0
    said = capsys.readouterr()
    assert compared(said.out) == ["a", "b"]
    assert said.err == ""
    figures = [msgspec.json.decode(line)["metrics"] for line in said.out.splitlines()]
    assert main(["evaluate", "--model", str(root / "a"), *on]) == 0
    assert msgspec.json.decode(capsys.readouterr().out) == figures[0]
    assert main(["compare", str(root / "health"), "--data", "synthetic", "--rows", "900"]) == 0
    assert "synthetic health rows=900" in capsys.readouterr().out


def test_models_that_do_not_agree_on_a_contract_are_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [str(root / name) for name in ("a", "health")]
    assert main(["compare", *models, "--data", str(root / "new.jsonl")]) == 1
    said = capsys.readouterr()
    assert f"{models[0]} of auto 1, {models[1]} of health 1" in said.err
    assert "--contract or --format" in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_compare_without_a_model_that_can_be_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(root / "none"), "--data", str(root / "new.jsonl")]) == 1
    assert capsys.readouterr().err.startswith("left out: cannot read ")
