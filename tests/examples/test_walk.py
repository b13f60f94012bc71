"""docs/walk.md: its commands, run as they stand there, one after the other."""

import contextlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from examples import own_claims
from schemas.contract.parse import load
from tests.broker import wait
from tests.broker.read import read_all
from tests.harness.process import ROOT
from tests.readme.examples import FENCE, Block
from tests.readme.place import Place

WALK = ROOT / "docs" / "walk.md"
FILES = ROOT / "examples"
LARGEST = 300_000


def steps() -> list[list[str]]:
    """The commands of each block."""
    found = (Block(*block) for block in FENCE.findall(WALK.read_text(encoding="utf-8")))
    return [block.commands for block in found if block.language == "sh"]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, str]]:
    """A clone in which everything up to the promotion was run, and what each command said."""
    place = Place(tmp_path_factory.mktemp("walk"))
    (place.folder / "examples").symlink_to(FILES)
    draft, copy, check, model, *_ = steps()
    return place, {command: place.run(command) for command in (*draft, *copy, *check, *model)}


def said(outputs: dict[str, str], part: str) -> str:
    (found,) = (output for command, output in outputs.items() if part in command)
    return found


def test_the_file_is_the_one_that_the_script_writes(tmp_path: Path) -> None:
    own_claims.write(tmp_path / "again.csv")
    shipped = (FILES / "own_claims.csv").read_bytes()
    assert (tmp_path / "again.csv").read_bytes() == shipped
    assert len(shipped) <= LARGEST


@pytest.mark.slow
def test_the_way_from_a_file_to_a_model_in_service(walked: tuple[Place, dict[str, str]]) -> None:
    place, outputs = walked
    draft, corrected = load(place.folder / "draft.yaml"), load(place.folder / "claims.yaml")
    assert draft.fields.keys() == corrected.fields.keys()
    readings = {name: field.reading for name, field in draft.fields.items()}
    assert readings == {name: field.reading for name, field in corrected.fields.items()}
    assert "3,000 rows accepted, 0 refused" in said(outputs, "schemas check")
    assert "saved artifacts/v1" in said(outputs, "model train")
    assert "roc_auc" in said(outputs, "model evaluate").lower().replace(" ", "_")
    assert (place.folder / "artifacts" / "current" / "contract.json").exists()


@pytest.mark.slow
def test_it_answers_over_http(walked: tuple[Place, dict[str, str]]) -> None:
    place, _ = walked
    (serve, curl) = next(block for block in steps() if block[0].startswith("make serve"))
    with place.running(serve) as still:

        def ready() -> bool:
            still()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{place.endpoint}/readyz", timeout=10).close()
                return True
            return False

        wait.until(ready, serve)
        alert: dict[str, Any] = json.loads(place.run(curl))
    assert (alert["claim_id"], alert["claim_amount"]) == ("S-90001", 6480)
    assert (alert["loss_date"], alert["decision"]) == ("2025-03-03", "refer")
    texts = [reason["text"] for reason in alert["reasons"]]
    assert any(text.startswith("loss 11 days after the policy began (") for text in texts)
    assert not [flag for flag in alert["data_quality"] if "unknown_field" in flag]


@pytest.mark.kafka
@pytest.mark.slow
def test_rows_become_alerts(
    kafka: str, walked: tuple[Place, dict[str, str]], tmp_path: Path
) -> None:
    place = Place(tmp_path, kafka)
    for name in ("artifacts", "examples", "claims.yaml"):
        (tmp_path / name).symlink_to(walked[0].folder / name)
    export, topics, run, send = next(b for b in steps() if b[0].startswith("export "))
    place.run(export)
    place.run(topics)
    with place.running(run) as still:
        assert "3000 claims sent" in place.run(send)

        def enough() -> list[bytes]:
            still()
            values = [r.value or b"" for r in read_all(kafka, place.environ["ALERTS_TOPIC"])]
            return values if len(values) >= own_claims.ROWS else []

        alerts = [json.loads(value) for value in wait.until(enough, "the alerts")]
    assert len({alert["claim_id"] for alert in alerts}) == own_claims.ROWS
    assert any(alert["reasons"] for alert in alerts)


@pytest.mark.slow
def test_a_file_is_scored(walked: tuple[Place, dict[str, str]]) -> None:
    place, _ = walked
    ((score,),) = (block for block in steps() if "model score" in block[0])
    place.run(score)
    rows = (place.folder / "scored.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == own_claims.ROWS + 1


@pytest.mark.slow
def test_documents_are_written(walked: tuple[Place, dict[str, str]]) -> None:
    place, _ = walked
    ((export,),) = (block for block in steps() if "schemas export" in block[0])
    place.run(export)
    written = {path.name for path in (place.folder / "contract").iterdir()}
    assert {"claim.json", "claim-decoded.json", "openapi.json", "asyncapi.json"} <= written
