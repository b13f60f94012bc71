"""From a contract and a file of events of another line of business to scores of its events."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model.__main__ import main
from model.artifact.store import read_manifest
from model.metrics import Report
from model.samples import health
from model.scoring.load import load
from schemas.decoding.rows import LabelReader, at
from tests.schemas.contracts import FOLDER, decoder, shipped

pytestmark = pytest.mark.slow

HEALTH = shipped("health")
EVENTS: list[dict[str, Any]] = health.generate(3_000, 7)
FILE = FOLDER / "health.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("health") / "events.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS))
    return path


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    folder = data.parent / "model"
    given = ["train", "--data", str(data), "--contract", str(FILE), "--split", "time"]
    assert main([*given, "--algorithm", "logistic_regression", "--output", str(folder)]) == 0
    return folder


def test_the_artifact_has_the_contract_and_counts_what_is_not_labelled(model: Path) -> None:
    manifest = read_manifest(model)
    labels = LabelReader(HEALTH)
    known = [labels.read(at(event, HEALTH.label_path)) for event in EVENTS]
    assert manifest.trained_on.unlabelled == known.count(None) > 0
    assert manifest.trained_on.rows == len(EVENTS) - known.count(None)
    assert manifest.trained_on.format == "health"
    assert manifest.contract == HEALTH.about
    assert set(manifest.features) <= set(HEALTH.features())
    assert "amount_per_unit" in manifest.features
    assert (model / "contract.json").read_bytes() == HEALTH.to_json()
    assert "sex" in (model / "card.md").read_text()


def test_events_are_decoded_and_scored_by_the_artifact(model: Path) -> None:
    scorer = load(model)
    values = [msgspec.json.encode(event) for event in EVENTS[-200:]]
    claims = [scorer.decoder.decode(value) for value in values]
    own = [decoder("health").decode(value) for value in values]
    assert list(map(msgspec.structs.asdict, claims)) == list(map(msgspec.structs.asdict, own))
    found = scorer.assess(claims)
    assert found.probability.tobytes() == scorer.score(claims).tobytes()
    assert ((found.probability > 0) & (found.probability < 1)).all()
    assert len(np.unique(found.probability)) > 100
    one = scorer.score([scorer.decoder.decode(values[0])])
    assert one[0] == pytest.approx(found.probability[0], abs=1e-12)
    ids = {hit.id for hits in found.rule_hits for hit in hits}
    assert ids <= {"service-soon-after-start", "submitted-late", "many-units"}


def test_reasons_are_in_the_words_of_the_contract(model: Path) -> None:
    scorer = load(model)
    claims = [scorer.decoder.decode(msgspec.json.encode(event)) for event in EVENTS]
    explained = scorer._explainer.explain(claims, scorer.codes(claims), limit=len(scorer.features))
    items = [item for found in explained for item in found.reasons if item.feature]
    assert {item.feature for item in items} <= set(scorer.features)
    assert not [item.text for item in items if "{" in item.text]
    assert any("after cover began" in item.text for item in items)
    assert all("such claims" in i.text or "of all claims" in i.text for i in items)


@pytest.mark.parametrize("way", [["--contract", str(FILE)], []], ids=["contract", "its own"])
def test_it_is_evaluated_on_events(
    model: Path, data: Path, way: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--model", str(model), "--data", str(data), *way, "--json"]) == 0
    said = capsys.readouterr()
    report = msgspec.json.decode(said.out, type=Report)
    expected = msgspec.to_builtins(read_manifest(model).metrics)
    assert msgspec.to_builtins(report) == pytest.approx(expected)
    assert "claims without a label" in said.err


def test_training_without_contract_and_format_says_what_is_needed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--data", str(data), "--output", str(tmp_path / "m")])
    assert "--contract or --format is required" in capsys.readouterr().err


def test_generated_events_are_trained_on_and_evaluated_by_the_name_of_their_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", "synthetic", "--rows", "1500"]
    command = ["train", *given, "--contract", "property", "--output", str(tmp_path / "m")]
    assert main([*command, "--algorithm", "logistic_regression", "--split", "time"]) == 0
    assert read_manifest(tmp_path / "m").contract == shipped("property").about
    capsys.readouterr()
    assert main(["evaluate", "--model", str(tmp_path / "m"), *given, "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Report)
    expected = msgspec.to_builtins(read_manifest(tmp_path / "m").metrics)
    assert msgspec.to_builtins(found) == pytest.approx(expected)


def test_a_contract_without_a_generator_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", "synthetic", "--contract", "carclaims"]
    assert main([*command, "--output", str(tmp_path / "m")]) == 1
    said = capsys.readouterr().err
    assert "claims of contract carclaims cannot be generated, only those of auto, health" in said
