"""Numbers that 32 bits cannot hold: named in training, scored as the largest when they arrive."""

import json
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from consumer.batch.process import Outcome, process
from model.__main__ import main
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load_by_contract
from model.families.estimators import ALGORITHMS
from model.scoring.load import load
from model.scoring.scorer import Scorer
from model.training.train import train as train_on
from schemas.alert import FraudAlert
from schemas.contract.parse import parse
from schemas.dead_letter import DeadLetter
from tests.consumer.fakes import NOW
from tests.harness.kafka import FakeMessage

CONTRACT = {
    "x-contract": {"name": "large", "version": 1, "line_of_business": "x", "currency": "EUR"},
    "title": "Large",
    "type": "object",
    "required": ["claim_id"],
    "properties": {
        "claim_id": {"type": "string", "x-role": "identifier"},
        "file": {"type": "string", "x-role": "identifier"},
        "amount": {"type": "number", "x-role": "feature"},
        "units": {"type": "number", "x-role": "feature"},
        "mass": {"type": "number", "x-role": "feature", "minimum": -1e300, "maximum": 1e300},
    },
    "x-event": {"id": "claim_id"},
    "x-label": {"field": "fraud", "fraud": ["1"], "honest": ["0"]},
    "x-derived": {"volume": {"expression": "amount * amount * units", "x-text": "{} in volume"}},
}
LARGE = {"amount": 9e14, "units": 9e14, "mass": 1.0}
"""Fields within their bounds, whose product is beyond 3.4e38."""


def events(**more: dict[str, Any]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    made = []
    for number in range(400):
        event = {name: rng.uniform(0, 9) for name in ("amount", "units", "mass")}
        fraud = rng.random() < (0.4 if event["amount"] > 5 else 0.1)
        name = f"c{number}"
        digits = str(number + 1) * 60  # numbers too, and far beyond 32 bits
        known = {"claim_id": name, "file": digits, "fraud": str(int(fraud))}
        made.append({**known, **event, **more.get(name, {})})
    return made


def train(folder: Path, algorithm: str, **more: dict[str, Any]) -> int:
    contract, data = folder / "contract.json", folder / "data.jsonl"
    contract.write_text(json.dumps(CONTRACT))
    data.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events(**more)))
    given = ["train", "--data", str(data), "--contract", str(contract), "--split", "random"]
    return main([*given, "--algorithm", algorithm, "--output", str(folder / "model")])


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (
            LARGE,
            "volume is 7.29e+44 in claim 'c7', and models hold numbers up to 3.4e+38: bound its "
            "expression in the contract, as in min(…, 1e15), or mark volume with x-feature: false",
        ),
        (
            {"mass": -1e200},
            "mass is -1e+200 in claim 'c7', and models hold numbers up to 3.4e+38: lower the "
            "maximum of mass in the contract, or correct the claim",
        ),
    ],
    ids=["fact", "field"],
)
def test_training_names_the_field_and_the_claim(
    claim: dict[str, Any],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(tmp_path, "random_forest", c7=claim) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    dataset = load_by_contract(str(tmp_path / "data.jsonl"), parse(CONTRACT))
    with pytest.raises(ValueError, match=re.escape(said)):  # as there need be no look for leaks
        train_on(dataset, "random_forest", SplitPlan(kind="random"))


@pytest.fixture(scope="module", params=ALGORITHMS)
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("trained")
    assert train(folder, request.param) == 0
    return load(folder / "model")


def outcome(scorer: Scorer, *claims: dict[str, Any]) -> Outcome:
    values = [msgspec.json.encode({"claim_id": f"n{i}", **c}) for i, c in enumerate(claims)]
    return process([FakeMessage(v, i) for i, v in enumerate(values)], scorer, NOW)


@pytest.mark.filterwarnings("error")
def test_a_claim_with_such_a_number_is_scored_as_one_with_a_large_number(scorer: Scorer) -> None:
    """It is an accepted claim; the rest of its batch is as it would be without it."""
    plain = {"amount": 3.0, "units": 2.0, "mass": 1.0}
    large = {"amount": 9e14, "units": 3e6, "mass": 1.0}  # a product that 32 bits can hold
    heavy = [{**plain, "mass": mass} for mass in (1e30, 1e300, -1e30, -1e300)]
    found = outcome(scorer, plain, large, LARGE, *heavy)
    assert not found.dead_letters
    alerts = [msgspec.json.decode(record.value or b"", type=FraudAlert) for record in found.alerts]
    assert len(alerts) == 7
    p = [alert.fraud_probability for alert in alerts]
    assert all(map(math.isfinite, p))
    assert p[3] == p[4]
    assert p[5] == p[6]
    assert p[1] == p[2]
    alone = outcome(scorer, plain)
    assert alone.probabilities[0] == found.probabilities[0]


def test_beyond_its_bounds_a_field_makes_a_dead_letter_with_the_path(scorer: Scorer) -> None:
    found = outcome(scorer, {"mass": 1e301}, {"amount": 1e16}, {"units": 1.0})
    letters = [DeadLetter.from_headers(record.headers or ()) for record in found.dead_letters]
    assert [letter.path for letter in letters] == ["$.mass", "$.amount"]
    assert len(found.alerts) == 1
