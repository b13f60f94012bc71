"""Taking up promoted models, and the shadow model."""

import datetime as dt
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from consumer.__main__ import own_rules
from consumer.errors import ModelRefusedError, SettingsError
from consumer.metrics import Metrics
from consumer.models import Models
from consumer.settings import Settings
from consumer.shadow import Shadow
from model.datasets import Dataset, load
from model.manifest import SplitPlan
from model.rules import Rules
from model.train import train, write
from schemas.claim import Claim


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("synthetic", "jsonl", rows=1_500)


@pytest.fixture(scope="module")
def artifacts(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two artifacts, versions 1 and 2."""
    folder = tmp_path_factory.mktemp("artifacts")
    plan = SplitPlan(kind="time", test_size=0.2, seed=1)
    for version, algorithm in (("1", "logistic_regression"), ("2", "gradient_boosting")):
        trained = train(dataset, algorithm, plan)
        now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        write(trained, folder / version, created_at=now, version=version)
    return folder


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def served(artifacts: Path, tmp_path: Path) -> Path:
    """`current` points at version 1, as after a promotion."""
    current = tmp_path / "current"
    current.symlink_to(artifacts / "1")
    return current


def promote(current: Path, target: Path) -> None:
    fresh = current.with_name("fresh")
    fresh.symlink_to(target)
    fresh.replace(current)


def test_a_promoted_model_is_taken_up(served: Path, artifacts: Path) -> None:
    metrics = Metrics()
    models = Models(served, metrics)
    models.look()
    assert models.current().version == "1"
    promote(served, artifacts / "2")
    assert models.current().version == "1"
    models.look()
    assert models.current().version == "2"
    info = next(m for m in metrics.registry.collect() if m.name == "fraud_scorer_model")
    assert info.samples[0].labels["version"] == "2"


def test_a_broken_model_is_refused_and_the_old_one_stays(
    served: Path, artifacts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    models = Models(served, metrics)
    broken = tmp_path / "broken"
    shutil.copytree(artifacts / "2", broken)
    with (broken / "model.joblib").open("ab") as file:
        file.write(b"x")
    promote(served, broken)
    with caplog.at_level(logging.ERROR):
        models.look()
        models.look()
    assert models.current().version == "1"
    assert value(metrics, "fraud_scorer_models_refused_total") == 1
    assert len(caplog.records) == 1


def test_a_folder_in_the_midst_of_a_change_is_no_change(served: Path) -> None:
    models = Models(served, Metrics())
    served.unlink()
    models.look()
    assert models.current().version == "1"


def test_without_a_model_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="MODEL_DIR="):
        Models(tmp_path / "none", Metrics())
    with pytest.raises(ModelRefusedError, match="SHADOW_MODEL_DIR="):
        Shadow(tmp_path / "none", Metrics())


def test_the_shadow_counts_agreement(artifacts: Path, dataset: Dataset) -> None:
    metrics = Metrics()
    shadow = Shadow(artifacts / "2", metrics)
    claims = dataset.claims[:400]
    own = shadow._scorer.score(claims)
    served = np.where(np.arange(400) < 100, 0.9, 0.1)
    shadow.compare(claims, served, 0.5)
    referred = int((own[:100] >= 0.5).sum())
    name = "fraud_scorer_shadow_claims_total"
    assert value(metrics, name, referred="true", shadow_referred="true") == referred
    assert value(metrics, name, referred="true", shadow_referred="false") == 100 - referred
    assert value(metrics, "fraud_scorer_shadow_probability_count") == 400


def test_a_shadow_that_raises_is_switched_off(
    artifacts: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    shadow = Shadow(artifacts / "1", metrics)
    calls = []

    def score(claims: list[Claim]) -> None:
        calls.append(len(claims))
        raise ValueError("bad tree")

    monkeypatch.setattr(shadow._scorer, "score", score)
    for _ in range(2):
        shadow.compare(dataset.claims[:3], np.zeros(3), 0.5)
    assert calls == [3]
    assert value(metrics, "fraud_scorer_shadow_failed") == 1


def test_rules_are_held_against_claims_beside_the_model(artifacts: Path, tmp_path: Path) -> None:
    early = Claim(claim_id="a", loss_date=dt.date(2026, 3, 2), report_date=dt.date(2026, 3, 1))
    plain = Models(artifacts / "1", Metrics()).current().assess([early, Claim(claim_id="b")])
    assert [bool(hits) for hits in plain.rule_hits] == [True, False]
    none = Models(artifacts / "1", Metrics(), Rules([])).current().assess([early])
    assert none.rule_hits == [()]
    broken = tmp_path / "rules.toml"
    broken.write_text("rule = 5")
    settings = Settings(instance_id="i", rules_file=broken)
    with pytest.raises(SettingsError, match="RULES_FILE="):
        own_rules(settings)
