"""``score`` with history: each claim of a file sees what was known before its report."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.__main__ import main
from model.datasets.dataset import load_by_contract
from model.history.contract import histories_in
from model.history.learning import past_of, with_history
from model.scoring.load import load
from tests.model.history.files import EVENTS, columns, lines, train

CUT = len(EVENTS) * 3 // 4
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    data = lines(folder / "claims.jsonl", EVENTS)
    return train(data, folder / "h", "gradient_boosting", "--history")


@pytest.fixture(scope="module")
def expected(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """What the replay of all claims says, by claim."""
    scorer = load(model, remembers=True)
    labelled = [
        {**event, "outcome": {"finding": "not investigated", **event["outcome"]}}
        for event in EVENTS
    ]
    path = lines(tmp_path_factory.mktemp("all") / "all.jsonl", labelled)
    dataset = load_by_contract(str(path), scorer.decoder.contract, for_history=True)
    past = past_of(dataset)
    known = with_history(dataset, past)
    scores = scorer.score(known.claims, histories_in(past.plan.kinds, known.claims)).tolist()
    return dict(zip((c.claim_no for c in known.claims), scores, strict=True))


def run(model: Path, data: Path, *more: str) -> int:
    return main(["score", "--model", str(model), "--data", str(data), *more])


def rows(capsys: Captured) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]


def shuffled(events: Any) -> list[Any]:
    found = list(events)
    random.Random(1).shuffle(found)
    return found


@pytest.mark.parametrize("write", [lines, columns])
def test_each_claim_sees_what_was_known_before_it(
    model: Path, expected: dict[str, float], tmp_path: Path, capsys: Captured, write: Any
) -> None:
    """Whatever the order of the rows, and with the earlier claims in a file of their own."""
    data = write(tmp_path / f"all{ENDING[write]}", shuffled(EVENTS))
    assert run(model, data, "--history", str(data)) == 0
    shown = capsys.readouterr()
    assert "history: 2,000 claims reported from" in shown.err, "the file is not read as others too"
    found = [msgspec.json.decode(line) for line in shown.out.splitlines()]
    assert {row["claim_id"]: row["fraud_probability"] for row in found} == expected
    assert any("with the same" in one["text"] for row in found for one in row["reasons"])
    earlier = write(tmp_path / f"earlier{ENDING[write]}", shuffled(EVENTS[:CUT]))
    later = write(tmp_path / f"later{ENDING[write]}", shuffled(EVENTS[CUT:]))
    assert run(model, later, "--history", str(earlier)) == 0
    shown = capsys.readouterr()
    scores = [msgspec.json.decode(line) for line in shown.out.splitlines()]
    wanted = {event["claim_no"]: expected[event["claim_no"]] for event in EVENTS[CUT:]}
    assert {row["claim_id"]: row["fraud_probability"] for row in scores} == wanted
    assert "history: 2,000 claims reported from" in shown.err


ENDING: dict[Any, str] = {lines: ".jsonl", columns: ".csv"}


def test_rows_of_parquet_have_their_own_history(
    model: Path, expected: dict[str, float], tmp_path: Path, capsys: Captured
) -> None:
    """The day on which an outcome became known is read from Parquet as well."""
    csv: Any = pytest.importorskip("pyarrow.csv")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    data = tmp_path / "a.parquet"
    parquet.write_table(csv.read_csv(columns(tmp_path / "a.csv", shuffled(EVENTS))), data)
    assert run(model, data, "--history", str(data)) == 0
    found = {row["claim_id"]: row["fraud_probability"] for row in rows(capsys)}
    assert found == expected


def test_history_has_to_be_named(model: Path, tmp_path: Path, capsys: Captured) -> None:
    """No history is not read as no earlier claims; nothing is written."""
    data, output = lines(tmp_path / "a.jsonl", EVENTS[:20]), tmp_path / "b.csv"
    assert run(model, data, "--output", str(output)) == 1
    said = capsys.readouterr().err
    assert "learnt from history (policy, phone, account, garage): name the files of earlier" in said
    assert f"--history {data}" in said
    assert not output.exists()


def test_rejected_rows_and_claims_without_a_day(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    """The rows after them keep their own history; who has no day has none."""
    some = [dict(event) for event in EVENTS[CUT : CUT + 60]]
    del some[3]["reported_on"]
    bad = {**some[7], "claimed": -1}
    earlier = lines(tmp_path / "earlier.jsonl", EVENTS[:CUT])
    good = lines(tmp_path / "good.jsonl", some)
    mixed = lines(tmp_path / "mixed.jsonl", [*some[:5], bad, *some[5:]])
    assert run(model, good, "--history", str(earlier)) == 0
    wanted = {row["claim_id"]: row["fraud_probability"] for row in rows(capsys)}
    assert run(model, mixed, "--history", str(earlier)) == 3
    shown = capsys.readouterr()
    found = [msgspec.json.decode(line) for line in shown.out.splitlines()]
    assert {row["claim_id"]: row["fraud_probability"] for row in found} == wanted
    assert "1 claims without a day of report" in shown.err
    undated = next(row for row in found if row["claim_id"] == some[3]["claim_no"])
    assert "missing:history_policy" in undated["data_quality"]


def test_an_outcome_that_cannot_be_read_is_named(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    some = [dict(event) for event in EVENTS[:20]]
    some[4] = {**some[4], "outcome": {"finding": "fraud", "decided": "soon"}}
    data, output = lines(tmp_path / "a.jsonl", some), tmp_path / "b.csv"
    assert run(model, data, "--history", str(data), "--output", str(output)) == 1
    assert "a.jsonl, line 5: column" in capsys.readouterr().err
    assert not output.exists()


def test_outcomes_that_are_dated_at_once_are_pointed_out(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    events = [
        {**event, "outcome": {**event["outcome"], "decided": event["reported_on"]}}
        for event in EVENTS
    ]
    data = lines(tmp_path / "a.jsonl", events)
    assert run(model, data, "--history", str(data)) == 0
    assert "warning: 100% of the frauds are said to have been found" in capsys.readouterr().err


def test_a_model_without_history_takes_none(
    tmp_path: Path, model_dir: Path, capsys: Captured
) -> None:
    data = lines(tmp_path / "a.jsonl", [{"claim_id": "a"}])
    assert run(model_dir, data, "--history", str(data)) == 1
    assert "--history is for models that were trained with it" in capsys.readouterr().err
