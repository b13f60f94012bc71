"""``train --history``: the comparison, the documents, and how such a model is put into service."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError, read_contract, read_manifest
from model.datasets.dataset import Dataset, load, write_jsonl
from model.features.facts import UNDATED
from model.history.features import SUFFIXES
from model.history.plan import Bounds, EntityKind
from model.reports.documents import read_evaluation
from model.samples import motor
from model.scoring.load import load as load_model
from schemas.contract.parse import shipped
from tests.schemas.contracts import small

ROWS = 2_500
TRAIN = [
    "train", "--data", "synthetic", "--contract", "motor", "--split", "time",
    "--algorithm", "logistic_regression", "--alert-share", "0.05",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with history."""
    found = tmp_path_factory.mktemp("history") / "m"
    assert main([*TRAIN, "--rows", str(ROWS), "--history", "--output", str(found)]) == 0
    return found


def test_the_manifest_says_how_history_was_computed(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.history is not None
    assert manifest.history.kinds[1] == EntityKind(kind="phone", like="person")
    assert manifest.history.bounds == Bounds()
    assert (manifest.history.clock, manifest.history.outcomes) == ("day", "stated")
    known = {*manifest.features, *manifest.left_out}
    assert {f"history_phone_{suffix}" for suffix in SUFFIXES} <= known
    # The contract is that of the senders: no event may state its own history.
    contract = read_contract(folder, manifest)
    assert contract.to_json() == shipped("motor").to_json()


def test_the_report_compares_with_a_model_without(folder: Path) -> None:
    memory = read_evaluation(folder).memory
    assert memory is not None
    assert memory.without.n == read_evaluation(folder).report.n
    assert set(memory.gains) == {
        "roc_auc", "average_precision", "brier", "recall_at_5pct", "recall_at_10pct"
    }  # fmt: skip
    assert memory.intervals["roc_auc"].low < (memory.without.roc_auc or 0)
    page, card = (folder / "report.html").read_text(), (folder / "card.md").read_text()
    for text in (page, card):
        assert "difference (95 %)" in text
        assert "Each claim saw what was known on the days before its report" in text
        assert "outcome known" in text
    assert "with the same phone" in page  # a reason of an example


def test_what_was_trained_without_is_what_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """The figures without history are those of a model that was trained without."""
    assert main([*TRAIN, "--rows", str(ROWS), "--output", str(tmp_path / "m")]) == 0
    assert "no history" not in capsys.readouterr().out
    manifest = read_manifest(tmp_path / "m")
    memory = read_evaluation(folder).memory
    assert memory is not None
    assert manifest.metrics == memory.without
    assert manifest.history is None
    assert b'"history":null' in msgspec.json.encode(manifest)
    assert read_evaluation(tmp_path / "m").memory is None
    assert "## History" not in (tmp_path / "m" / "card.md").read_text()
    assert load_model(tmp_path / "m").features == manifest.features


def test_what_remembers_nothing_refuses_it(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"\(policy, phone, account.*set MEMORY=on \(docs"):
        load_model(folder)
    assert main(["card", str(folder)]) == 0
    assert main(["list", "--root", str(folder.parent)]) == 0


def test_it_is_promoted_and_compared_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one without history, and then with another one; and trained into service."""
    at = ["--root", str(tmp_path)]
    train = [*TRAIN, "--rows", str(ROWS)]
    for version, more in (("v1", []), ("v2", ["--history"]), ("v3", ["--history", "--seed", "7"])):
        assert main([*train, *more, "--output", str(tmp_path / version)]) == 0
    assert main(["promote", "v1", "--despite", "a test", *at]) == 0
    capsys.readouterr()
    assert main(["promote", "v2", "--despite", "a test", *at]) == 0
    said = capsys.readouterr()
    needs = "v2 learnt from history (policy, phone, account, garage): workers and serve take it up"
    assert needs in said.err
    assert "cannot be compared" not in said.err, "they were tested on the same claims"
    assert "is now v2, which was v1" in said.out
    metrics = [read_manifest(tmp_path / v).metrics for v in ("v1", "v2")]
    weaker = (metrics[1].roc_auc or 0) < (metrics[0].roc_auc or 0)
    assert ("v2 is weaker than v1" in said.err) == weaker
    assert main(["promote", "v1", "--despite", "a test", *at]) == 0
    assert ("v1 is weaker than v2" in capsys.readouterr().err) == (not weaker)
    assert main(["promote", "v2", "--despite", "a test", *at]) == 0
    assert main(["promote", "v3", "--despite", "a test", *at]) == 0
    said = capsys.readouterr()
    assert "v3 learnt from history" not in said.err, "it needs what v2 needs"
    assert main(["rollback", *at]) == 0
    assert main([*train, "--history", "--output", str(tmp_path / "current")]) == 0
    assert "/current is now 2" in capsys.readouterr().out


def test_one_of_other_people_needs_a_restart(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = json.loads(shipped("motor").to_json())
    del contract["properties"]["account"]["x-entity"]
    (tmp_path / "c.json").write_text(json.dumps(contract))
    data = tmp_path / "claims.jsonl"
    data.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in motor.generate(ROWS, 2)))
    shutil.copytree(folder, tmp_path / "a")
    command = [*TRAIN, "--history", "--output", str(tmp_path / "b")]
    command[command.index("synthetic")] = str(data)
    command[command.index("motor")] = str(tmp_path / "c.json")
    assert main(command) == 0
    at = ["--root", str(tmp_path), "--despite", "a test"]
    assert main(["promote", "a", *at]) == 0
    assert "when they are started again" not in capsys.readouterr().err
    assert main(["promote", "b", *at]) == 0
    assert "needs other people or things remembered" in capsys.readouterr().err


def test_month_by_month_has_history_too(tmp_path: Path) -> None:
    command = [*TRAIN, "--rows", "6000", "--history", "--prequential"]
    assert main([*command, "--output", str(tmp_path / "m")]) == 0
    assert "trained on what was known at the time" in (tmp_path / "m" / "report.html").read_text()


def test_short_history_and_few_outcomes_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claims of some months, whose outcomes are not dated."""
    events = [e for e in motor.generate(6_000, 2) if e["lost_on"] < "2023-07-01"]
    for event in events:
        event["outcome"].pop("decided", None)
    data = tmp_path / "claims.jsonl"
    data.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    command = [*TRAIN, "--history", "--output", str(tmp_path / "m")]
    command[command.index("synthetic")] = str(data)
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "history is too short: half of the claims tested on have less than" in said
    assert "too few outcomes:" in said
    assert "what history adds to the average precision may be chance" in said
    assert "the data does not say when outcomes became known: each counts 90 days" in said
    memory = json.loads((tmp_path / "m" / "evaluation.json").read_bytes())["memory"]
    assert len(memory["doubts"]) >= 3
    assert memory["plan"]["outcomes"] == "assumed"


def test_a_leak_of_the_history_stops_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = motor.generate(ROWS, 2)
    for event in events:
        if event["outcome"].get("finding") == "fraud":
            event["outcome"]["decided"] = event["reported_on"]
    data = tmp_path / "claims.jsonl"
    data.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    command = [*TRAIN, "--history", "--output", str(tmp_path / "m")]
    command[command.index("synthetic")] = str(data)
    assert main(command) == 1
    assert "found on the day of their report" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
    assert main([*command, "--allow-leak", "history"]) == 0
    (finding,) = (f for f in _leaks(tmp_path / "m") if f["column"] == "history")
    assert finding["fatal"]
    assert main([*TRAIN, "--allow-leak", "history", "--output", str(tmp_path / "n")]) == 1


def _leaks(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "evaluation.json").read_bytes())["leaks"][
        "findings"
    ]
    return found


def test_a_contract_without_entities_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = {"field": "found", "fraud": ["f"], "honest": ["h"]}
    contract, data = tmp_path / "c.json", tmp_path / "a.jsonl"
    contract.write_bytes(small({}, x_label=label).to_json())
    data.write_text('{"claim_no": "a", "found": "f"}')
    command = ["train", "--contract", str(contract), "--data", str(data), "--history"]
    assert main([*command, "--output", str(tmp_path / "m")]) == 1
    assert "contract small names no person or thing to remember" in capsys.readouterr().err


def test_json_lines_of_auto_claims_have_a_history(tmp_path: Path) -> None:
    """A policy, a telephone and an e-mail address, and `decided_at` next to the label."""
    found = synthetic(600, 3)
    days = np.where(found.labels == 1, found.reported + 40, UNDATED)
    write_jsonl(replace(found, decided=days), tmp_path / "a.jsonl")
    command = ["train", "--data", str(tmp_path / "a.jsonl"), "--format", "jsonl", "--history"]
    command += ["--algorithm", "logistic_regression", "--output", str(tmp_path / "m")]
    assert main(command) == 0
    history = read_manifest(tmp_path / "m").history
    assert history is not None
    assert [kind.kind for kind in history.kinds] == ["policy", "phone", "email"]
    assert history.outcomes == "stated"
    memory = read_evaluation(tmp_path / "m").memory
    assert memory is not None
    assert [kind.seen > 0 for kind in memory.kinds] == [False, True, False]


def synthetic(rows: int, seed: int) -> Dataset:
    return load("synthetic", "synthetic", rows=rows, seed=seed)
