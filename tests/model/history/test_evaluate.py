"""``evaluate`` and ``compare`` of models with history: the replay of the training, on any file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model.__main__ import main
from model.artifact.store import read_manifest
from model.datasets.dataset import load, load_by_contract, write_jsonl
from model.features.facts import UNDATED
from model.history.contract import histories_in
from model.history.learning import past_of, with_history
from model.metrics import Report, evaluate
from model.scoring.load import load as load_model
from schemas.contract.parse import shipped
from tests.model.history.files import EVENTS, lines, train

CUT = len(EVENTS) * 3 // 4
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lines(tmp_path_factory.mktemp("claims") / "claims.jsonl", EVENTS)


@pytest.fixture(scope="module", params=["gradient_boosting", "logistic_regression"])
def folder(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model with history."""
    return train(data, tmp_path_factory.mktemp("models") / "h", request.param, "--history")


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of them, where the family does not matter."""
    return train(data, tmp_path_factory.mktemp("model") / "h", "logistic_regression", "--history")


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without history, on the same split."""
    return train(data, tmp_path_factory.mktemp("plain") / "p", "logistic_regression")


def run(model: Path, data: Path | str, *more: str) -> int:
    return main(["evaluate", "--model", str(model), "--data", str(data), "--json", *more])


def figures(capsys: Captured) -> Report:
    return msgspec.json.decode(capsys.readouterr().out, type=Report)


def test_the_figures_are_those_of_the_training(folder: Path, data: Path, capsys: Captured) -> None:
    """To the last bit, on the side of the split that the model has not seen."""
    capsys.readouterr()
    assert run(folder, data) == 0
    shown = capsys.readouterr()
    assert msgspec.json.decode(shown.out, type=Report) == read_manifest(folder).metrics
    assert "history: 2,000 claims reported from " in shown.err
    assert "claims that nobody investigated" in shown.err
    assert "too optimistic" not in shown.err


def test_several_files_are_one_history(model: Path, tmp_path: Path, capsys: Captured) -> None:
    """Cut in two, however its parts are named, the later claims see what they saw in one file."""
    earlier, later = (
        lines(tmp_path / f"{n}.jsonl", part) for n, part in enumerate((EVENTS[:CUT], EVENTS[CUT:]))
    )
    first, second = (
        lines(tmp_path / f"e{n}.jsonl", part)
        for n, part in enumerate((EVENTS[: CUT // 2], EVENTS[CUT // 2 : CUT]))
    )
    scorer = load_model(model, remembers=True)
    whole = load_by_contract(
        str(lines(tmp_path / "all.jsonl", EVENTS)), scorer.decoder.contract, for_history=True
    )
    past = past_of(whole)
    known = with_history(whole, past)
    names = {event["claim_no"] for event in EVENTS[CUT:]}
    tested = known.part(np.array([n for n, c in enumerate(whole.claims) if c.claim_no in names]))
    scores = scorer.score(tested.claims, histories_in(past.plan.kinds, tested.claims))
    expected = evaluate(tested.labels, scores, scorer.threshold)
    capsys.readouterr()
    for history in (
        ["--history", str(earlier)],
        ["--history", str(first), str(second)],
        ["--history", str(second), "--history", str(first), "--history", str(earlier)],
        ["--history", str(earlier), str(later)],
    ):
        assert run(model, later, *history) == 0
        assert figures(capsys) == expected
    assert run(model, later) == 0
    shown = capsys.readouterr()
    assert msgspec.json.decode(shown.out, type=Report) != expected
    assert "history is too short: half of the claims of 1.jsonl have less than" in shown.err


def test_the_report_is_of_these_figures(model: Path, data: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert run(model, data, "--report", str(page)) == 0
    metrics = read_manifest(model).metrics
    assert f"{metrics.average_precision:.4f}" in page.read_text()
    assert "with the same" in page.read_text(), "a reason of an example"


def test_auto_claims_say_when_they_were_decided(tmp_path: Path, capsys: Captured) -> None:
    """With a format and through the contract of the model alike."""
    found = load("synthetic", "synthetic", rows=600, seed=3)
    days = np.where(found.labels == 1, found.reported + 40, UNDATED)
    data = tmp_path / "a.jsonl"
    write_jsonl(replace(found, decided=days), data)
    command = ["train", "--data", str(data), "--format", "jsonl", "--history"]
    command += ["--algorithm", "logistic_regression", "--output", str(tmp_path / "m")]
    assert main(command) == 0
    capsys.readouterr()
    for more in ([], ["--format", "jsonl"]):
        assert run(tmp_path / "m", data, *more) == 0
        assert figures(capsys) == read_manifest(tmp_path / "m").metrics
    half = tmp_path / "half.jsonl"
    half.write_bytes(b"".join(data.read_bytes().splitlines(keepends=True)[:300]))
    shown = []
    for more in ([], ["--format", "jsonl"]):
        assert run(tmp_path / "m", half, *more, "--history", str(data)) == 0
        shown.append(figures(capsys))
    assert shown[0] == shown[1]


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (["reported_on"], "none of the claims says when it was reported (reported_on)"),
        (
            ["policy_no", "phone", "account", "garage"],
            "none of the claims names anybody (policy_no, phone, account, garage)",
        ),
    ],
)
def test_claims_that_say_too_little_are_refused(
    model: Path, tmp_path: Path, capsys: Captured, lacking: list[str], message: str
) -> None:
    data = lines(tmp_path / "a.jsonl", (without(event, *lacking) for event in EVENTS[:200]))
    assert run(model, data) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_a_column_is_named_as_the_file_has_it(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    contract = msgspec.json.decode(shipped("motor").to_json())
    contract["properties"]["reported_on"]["x-from"] = ["/notice/day", "NoticeDay"]
    (tmp_path / "c.json").write_bytes(msgspec.json.encode(contract))
    data = lines(tmp_path / "a.jsonl", EVENTS[:50])
    assert run(model, data, "--contract", str(tmp_path / "c.json")) == 1
    assert "(reported_on, read from notice.day or NoticeDay)" in capsys.readouterr().err


def test_what_falls_short_is_said(model: Path, tmp_path: Path, capsys: Captured) -> None:
    """Nobody has a telephone, and no day of an outcome is stated."""
    events = [
        {**without(event, "phone"), "outcome": without(event["outcome"], "decided")}
        for event in EVENTS
    ]
    assert run(model, lines(tmp_path / "a.jsonl", events)) == 0
    said = capsys.readouterr().err
    assert "no claim names a phone (phone): its history is missing" in said
    assert "no claim names a garage" not in said
    assert "each counts 90 days after its claim was reported" in said
    assert "learnt from outcomes that count from the day on which they became known" in said


def test_a_leak_stops_it_as_in_training(model: Path, tmp_path: Path, capsys: Captured) -> None:
    events = [
        {**event, "outcome": {**event["outcome"], "decided": event["reported_on"]}}
        for event in EVENTS
    ]
    data = lines(tmp_path / "a.jsonl", events)
    assert run(model, data) == 1
    shown = capsys.readouterr()
    assert "found on the day of their report" in shown.err
    assert "--allow-leak history" in shown.err
    assert shown.out == ""
    assert run(model, data, "--allow-leak", "history") == 0
    assert "found on the day of their report" in capsys.readouterr().err


def test_claims_of_other_people_are_refused(model: Path, tmp_path: Path, capsys: Captured) -> None:
    write_jsonl(load("synthetic", "synthetic", rows=50, seed=3), tmp_path / "a.jsonl")
    assert run(model, tmp_path / "a.jsonl", "--format", "jsonl") == 1
    said = capsys.readouterr().err
    assert "claims of contract motor 1, and these are read through contract auto 1" in said


def test_a_model_without_history_takes_none(plain: Path, data: Path, capsys: Captured) -> None:
    assert run(plain, data, "--history", str(data)) == 1
    assert "--history is for models that were trained with it, and" in capsys.readouterr().err
    assert main(["compare", str(plain), "--history", str(data)]) == 1
    assert "--history is for --data" in capsys.readouterr().err


def test_models_are_compared_on_the_same_claims_with_history_and_without(
    folder: Path, plain: Path, data: Path, tmp_path: Path, capsys: Captured
) -> None:
    """Each as `evaluate` has it."""
    later = lines(tmp_path / "later.jsonl", EVENTS[CUT:])
    on = ["--data", str(later), "--contract", "motor"]
    history = ["--history", str(data)]
    capsys.readouterr()
    expected = []
    for one, more in ((folder, history), (plain, [])):
        assert main(["evaluate", "--model", str(one), *on, "--json", *more]) == 0
        expected.append(figures(capsys))
    assert main(["compare", str(folder), str(plain), *on, *history, "--json"]) == 0
    found = [
        msgspec.convert(msgspec.json.decode(line)["metrics"], Report)
        for line in capsys.readouterr().out.splitlines()
    ]
    assert found == expected
    assert found[0].n == found[1].n


def test_a_file_of_history_that_is_not_there_is_named(
    model: Path, data: Path, capsys: Captured
) -> None:
    assert run(model, data, "--history", "none.jsonl") == 1
    assert "none.jsonl" in capsys.readouterr().err
