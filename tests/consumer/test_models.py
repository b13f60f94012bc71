"""Taking up promoted models, and the shadow model."""

import datetime as dt
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from consumer.__main__ import main, own_rules
from consumer.errors import ModelRefusedError, SettingsError
from consumer.metrics import Metrics
from consumer.models import Models, signature_check
from consumer.settings import Settings
from consumer.shadow import Shadow
from model.datasets import Dataset, load
from model.manifest import SplitPlan
from model.rules import Rules
from model.signing import private_key, sign
from model.train import train, write
from schemas.claim import Claim
from tests.model.test_signing import Keys, make_keys


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


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


def asks_for(keys: Keys) -> Settings:
    return Settings(instance_id="i", model_public_key_file=keys.public)


def test_with_a_public_key_only_signed_models_are_taken_up(
    artifacts: Path, tmp_path: Path, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("1", "2"):
        shutil.copytree(artifacts / version, tmp_path / version)
    current, metrics = tmp_path / "current", Metrics()
    current.symlink_to("1")
    verify = signature_check(asks_for(keys))
    with pytest.raises(ModelRefusedError, match=r"MODEL_DIR=.* is not signed"):
        Models(current, metrics, verify=verify)
    with pytest.raises(ModelRefusedError, match=r"SHADOW_MODEL_DIR=.* is not signed"):
        Shadow(current, metrics, verify)
    sign(tmp_path / "1", private_key(keys.private))
    models = Models(current, metrics, verify=verify)
    assert Shadow(current, metrics, verify)
    promote(current, tmp_path / "2")
    for _ in range(3):
        models.look()
    assert models.current().version == "1"
    assert value(metrics, "fraud_scorer_models_refused_total") == 1
    assert "is refused, logistic_regression 1 stays in service" in caplog.text
    assert "is not signed" in caplog.text
    sign(tmp_path / "2", private_key(keys.private))
    models.look()
    assert models.current().version == "2"


@pytest.mark.parametrize("place", ["versions/2", "versions", "versions/2/model.joblib"])
def test_a_model_that_was_everybodys_is_taken_up_once_it_is_not(
    served: Path, artifacts: Path, tmp_path: Path, place: str
) -> None:
    metrics = Metrics()
    models = Models(served, metrics)
    shutil.copytree(artifacts / "2", tmp_path / "versions" / "2")
    (tmp_path / place).chmod(0o777)
    promote(served, tmp_path / "versions" / "2")
    for _ in range(2):
        models.look()
    assert models.current().version == "1"
    assert value(metrics, "fraud_scorer_models_refused_total") == 1
    (tmp_path / place).chmod(0o755)
    models.look()
    assert models.current().version == "2"


def test_a_folder_that_becomes_everybodys_is_reported(
    served: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = Models(served, Metrics())
    served.parent.chmod(0o777)
    models.look()
    assert f"chmod o-w {served.parent}" in caplog.text
    assert models.current().version == "1"


def test_links_in_a_circle_are_no_change(served: Path) -> None:
    models = Models(served, Metrics())
    served.unlink()
    served.symlink_to(served.name)
    models.look()
    assert models.current().version == "1"


@pytest.mark.parametrize("command", ["run", "serve"])
def test_the_commands_ask_for_the_signature(
    command: str,
    artifacts: Path,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {"METRICS_PORT": "0", "API_PORT": "0", "MODEL_DIR": str(artifacts / "1")}
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("MODEL_PUBLIC_KEY_FILE", str(keys.public))
    assert main([command]) == 3
    assert "is not signed" in capsys.readouterr().err
    monkeypatch.setenv("MODEL_PUBLIC_KEY_FILE", str(keys.private))
    assert main([command]) == 2
    assert f"error: MODEL_PUBLIC_KEY_FILE={keys.private}: " in capsys.readouterr().err
