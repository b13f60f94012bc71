"""The documents' examples, run as they stand there and compared with what is printed there."""

import contextlib
import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from model.datasets import dataset as datasets
from model.datasets.dataset import write_jsonl
from tests.broker import wait
from tests.broker.read import Record, read_all
from tests.harness import process
from tests.harness.process import ROOT
from tests.readme.examples import (
    answer_after,
    block_with,
    blocks,
    inline,
    python_commands,
)
from tests.readme.place import Place

STREAM = "make topics"
HISTORY = "history.jsonl"
CURL = "curl "


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with the first model of the README in it."""
    place = Place(tmp_path_factory.mktemp("clone"))
    first = block_with(STREAM).commands[0]
    assert first.startswith("make train "), "the README trains a model first"
    assert "saved artifacts/current" in place.run(first)
    return place


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10):
        return True
    return False


@pytest.mark.slow
def test_a_claim_over_http(trained: Place) -> None:
    serve, curl = block_with(CURL).commands
    with trained.running(serve) as still:

        def ready() -> bool:
            still()
            return answers(f"http://{trained.endpoint}/readyz")

        wait.until(ready, serve)
        got = json.loads(trained.run(curl))
        printed = json.loads(answer_after(CURL))
        assert list(got) == list(printed)
        assert got == pytest.approx(printed, abs=1e-6)

        asked = [text.split()[1] for text in inline() if text.startswith("GET /")]
        assert len(asked) >= 2
        for path in asked:
            assert answers(f"http://{trained.endpoint}{path}"), f"GET {path}"


@pytest.mark.kafka
def test_claims_become_alerts_like_the_one_printed(
    kafka: str, trained: Place, tmp_path: Path
) -> None:
    place = Place(tmp_path, kafka)
    (tmp_path / "artifacts").symlink_to(trained.folder / "artifacts")
    _, connect, topics, run, generate = block_with(STREAM).commands
    place.run(connect)
    created = place.run(topics)
    assert created.count(": created") == len(topics.partition("#")[2].split(",")) == 5
    with place.running(run) as still, place.running(generate):

        def passed() -> Record | None:
            still()
            found = read_all(kafka, place.environ["ALERTS_TOPIC"])
            return next((r for r in found if b'"decision":"pass"' in (r.value or b"")), None)

        record = wait.until(passed, "an alert")
    compare(record, place)
    kept = place.run("python -m consumer redrive --dry-run".replace("python", ".venv/bin/python"))
    assert kept == "", "the generator's claims are all good"


def compare(record: Record, place: Place) -> None:
    """The alert that is printed is this one, but for what differs from run to run."""
    got: dict[str, Any] = json.loads(record.value or b"")
    printed: dict[str, Any] = json.loads(answer_after("An alert ("))
    assert got["claim_id"] == (record.key or b"").decode()
    source = printed["source"]
    stem = "{topic}-{partition}-{offset}-"
    assert re.fullmatch(stem.format(**source) + "[0-9a-f]{12}", printed["alert_id"])
    assert got["alert_id"] == stem.format(**got["source"]) + got["model_sha256"][:12]
    assert got["source"]["topic"] == place.environ["CLAIMS_TOPIC"]
    assert printed["fraudulent"] is (printed["fraud_probability"] >= printed["threshold"])

    own = (
        *("alert_id", "claim_id", "fraud_probability", "threshold"),
        *("model_version", "source", "scored_at"),
    )
    for name in own:
        assert type(got[name]) is type(printed[name])
        assert shape(got[name]) == shape(printed[name]), name
    same = {name: value for name, value in printed.items() if name not in own}
    assert {name: got[name] for name in same} == same


def shape(value: Any) -> Any:
    """Names of an object's fields, the form of a version or a time, nothing of the rest."""
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, str) and re.match(r"\d{8}\.|\d{4}-\d\d-\d\dT", value):
        return re.sub(r"\d", "0", value)
    return None


@pytest.mark.slow
def test_training_on_history(tmp_path: Path) -> None:
    place = Place(tmp_path)
    write_jsonl(datasets.load("synthetic", "synthetic", rows=3_000), tmp_path / HISTORY)
    train, evaluate = block_with(HISTORY).commands
    assert "saved artifacts/current" in place.run(train)
    assert "ROC AUC" in place.run(evaluate) or "roc_auc" in place.run(evaluate)


@pytest.mark.slow
def test_a_threshold_by_budget_and_the_life_of_a_model(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (train,) = (c for c in python_commands() if c.startswith("model train "))
    for version in ("one", "two"):
        more = (
            f"--data synthetic --rows 2000 --output artifacts/{version} --model-version {version}"
        )
        place.run(f".venv/bin/python -m {train} {more}")
    policy = json.loads((tmp_path / "artifacts/one/manifest.json").read_text())
    assert "0.05" in json.dumps(policy)
    verbs = [c.split()[1] for c in python_commands() if c.startswith("model ") and " -" not in c]
    assert verbs == ["promote", "rollback", "list", "card", "compare"]
    shown = {
        "promote": ("one", "two"),
        "rollback": ("",),
        "list": ("",),
        "card": ("artifacts/current",),
        "compare": ("artifacts/one artifacts/two",),
    }
    said = {verb: [place.run(f".venv/bin/python -m model {verb} {rest}") for rest in shown[verb]]
            for verb in verbs}  # fmt: skip
    assert "one" in said["list"][0]
    assert "one" in said["card"][0]
    assert "two" not in said["card"][0].partition("\n")[0]


@pytest.mark.parametrize("command", python_commands())
def test_every_command_and_option_exists(command: str) -> None:
    module, *words = command.split()
    verb = [word for word in words[:1] if module in {"model", "consumer"}]
    asked = process.module(module, *verb, "--help")
    helped = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{word}\b", helped), f"{command}: no {word}"
    if module == "benchmarks":
        assert words[0] in helped


def test_every_make_target_is_one() -> None:
    commands = [line for b in blocks() if b.language == "sh" for line in b.commands]
    named = {c.split()[1] for c in [*commands, *inline()] if c.startswith("make ")}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(named) >= 8
    assert named <= targets
