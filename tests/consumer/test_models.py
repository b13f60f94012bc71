"""Taking up promoted models, and the shadow model."""

import datetime as dt
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from consumer.__main__ import main
from consumer.errors import ModelRefusedError, SettingsError
from consumer.models.service import Models, rules_of, signature_check
from consumer.models.shadow import Shadow, refuse_beside
from consumer.settings.settings import Settings
from consumer.telemetry.metrics import Metrics
from model.artifact.manifest import SplitPlan
from model.artifact.store import ArtifactError
from model.datasets.dataset import Dataset, load
from model.releases.signing import private_key, sign
from model.scoring.rules import Rules
from model.training.train import train, write
from schemas.claim import Claim
from schemas.contract.parse import shipped
from schemas.decoding.decoder import ClaimDecoder
from tests.model.test_refusals import Raising, model_bytes, put
from tests.model.test_signing import Keys, make_keys

pytestmark = pytest.mark.slow


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


AT_ONCE = 0.01
"""Seconds between two looks for a model: tests do not wait for two."""


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread; a minute counts as forever."""
    for _ in range(6_000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it never happened")


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


def test_a_model_of_another_contract_is_refused_until_the_next_start(
    served: Path, artifacts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    models = Models(served, metrics)
    other = tmp_path / "other"
    shutil.copytree(artifacts / "2", other)
    contract = msgspec.json.decode((other / "contract.json").read_bytes())
    contract["x-contract"]["name"] = "boats"
    put(other, "contract.json", msgspec.json.encode(contract))
    promote(served, other)
    with caplog.at_level(logging.ERROR):
        models.look()
        models.look()
    assert models.current().version == "1"
    assert value(metrics, "fraud_scorer_models_refused_total") == 1
    (record,) = caplog.records
    assert "its contract is 'boats', and claims of 'auto' are scored here" in record.getMessage()
    assert Models(served, Metrics()).current().contract.about.name == "boats"
    promote(served, artifacts / "2")
    models.look()
    assert models.current().version == "2"


@pytest.mark.parametrize("gone", ["dangling", "emptied", "circular"])
def test_a_model_that_is_gone_is_reported_after_a_while_and_again(
    served: Path, artifacts: Path, caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    now, metrics = [0.0], Metrics()
    models = Models(served, metrics, clock=lambda: now[0])
    targets = {"dangling": Path("none"), "emptied": served.parent, "circular": Path("current")}
    promote(served, targets[gone])

    def refused_after(seconds: float) -> float | None:
        now[0] += seconds
        models.look()
        return value(metrics, "fraud_scorer_models_refused_total")

    assert [refused_after(seconds) for seconds in (0, 29, 1, 1_799, 1)] == [0, 0, 1, 1, 2]
    assert "there is no model any more" in caplog.records[0].getMessage()
    assert models.current().version == "1"
    promote(served, artifacts / "2")
    models.look()
    assert models.current().version == "2"
    # It is another one that is gone.
    promote(served, targets[gone])
    assert [refused_after(seconds) for seconds in (0, 29, 1)] == [2, 2, 3]


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
    found = shadow.compare(claims, served, 0.5)
    assert found is not None
    shadow.count(found)
    referred = int((own[:100] >= 0.5).sum())
    name = "fraud_scorer_shadow_claims_total"
    assert value(metrics, name, referred="true", shadow_referred="true") == referred
    assert value(metrics, name, referred="true", shadow_referred="false") == 100 - referred
    assert value(metrics, "fraud_scorer_shadow_probability_count") == 400


def test_a_shadow_that_raises_is_switched_off(artifacts: Path, dataset: Dataset) -> None:
    metrics = Metrics()
    shadow = Shadow(artifacts / "1", metrics)
    assert shadow.compare(dataset.claims[:3], np.zeros(3), 0.5) is not None
    unscorable: Any = [object()] * 3
    assert shadow.compare(unscorable, np.zeros(3), 0.5) is None
    assert shadow.compare(dataset.claims[:3], np.zeros(3), 0.5) is None, "not asked again"
    assert value(metrics, "fraud_scorer_shadow_failed") == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "boats"}, "its contract is 'boats', and claims of 'auto' are scored here"),
        ({"field": None}, "it learnt from claim_amount, which the contract of"),
        ({"field": "boolean"}, "it learnt from claim_amount, which the contract of"),
    ],
)
def test_a_shadow_for_other_claims_is_refused(
    artifacts: Path, changed: dict[str, str | None], said: str
) -> None:
    present = Models(artifacts / "1", Metrics()).current()
    other = Models(artifacts / "2", Metrics()).current()
    refuse_beside(present, other)
    own = present.decoder.contract
    fields = dict(own.fields)
    if "name" in changed:
        about = msgspec.structs.replace(own.about, name=changed["name"])
        other.decoder = ClaimDecoder(msgspec.structs.replace(own, about=about))
    elif changed["field"] is None:
        del fields["claim_amount"]
    else:
        fields["claim_amount"] = msgspec.structs.replace(fields["claim_amount"], kind="boolean")
    present.decoder.contract = msgspec.structs.replace(own, fields=fields)
    with pytest.raises(ArtifactError, match=said) as refused:
        refuse_beside(present, other)
    assert "SHADOW_MODEL_DIR" in str(refused.value)


def test_rules_are_held_against_claims_beside_the_model(artifacts: Path, tmp_path: Path) -> None:
    early = Claim(claim_id="a", loss_date=dt.date(2026, 3, 2), report_date=dt.date(2026, 3, 1))
    plain = Models(artifacts / "1", Metrics()).current().assess([early, Claim(claim_id="b")])
    assert [bool(hits) for hits in plain.rule_hits] == [True, False]
    none = Models(artifacts / "1", Metrics(), lambda _: Rules([])).current().assess([early])
    assert none.rule_hits == [()]
    broken = tmp_path / "rules.toml"
    broken.write_text("rule = 5")
    settings = Settings(instance_id="i", rules_file=broken)
    with pytest.raises(SettingsError, match=f"^RULES_FILE={broken}: "):
        Models(artifacts / "1", Metrics(), rules_of(settings))


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


def test_a_model_that_raises_is_refused_and_a_good_one_after_it_is_loaded(
    served: Path, artifacts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that looks outlives it: by itself it loads what is promoted next."""
    metrics = Metrics()
    models = Models(served, metrics)
    broken = tmp_path / "broken"
    shutil.copytree(artifacts / "2", broken)
    put(broken, "model.joblib", model_bytes(Raising("SystemExit")))
    with models.watched(AT_ONCE):
        promote(served, broken)
        until(lambda: value(metrics, "fraud_scorer_models_refused_total") == 1)
        promote(served, artifacts / "2")
        until(lambda: models.current().version == "2")
    assert "is refused, logistic_regression 1 stays in service: " in caplog.text
    assert "SystemExit" in caplog.text


def test_the_thread_that_looks_outlives_whatever_is_raised(served: Path, artifacts: Path) -> None:
    metrics = Metrics()
    raised = [KeyError("x"), SystemExit(), ZeroDivisionError()]

    class Failing(Models):
        def look(self) -> None:
            if raised:
                raise raised.pop()
            super().look()

    models = Failing(served, metrics)
    with models.watched(AT_ONCE):
        promote(served, artifacts / "2")
        until(lambda: models.current().version == "2")
    assert value(metrics, "fraud_scorer_models_refused_total") == 3


def test_a_model_that_raises_at_the_start_has_its_exit_code(
    artifacts: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(artifacts / "2", broken)
    put(broken, "model.joblib", model_bytes(Raising("OwnError")))
    for start in (lambda: Models(broken, Metrics()), lambda: Shadow(broken, Metrics())):
        with pytest.raises(ModelRefusedError, match="cannot be loaded") as refused:
            start()
        assert refused.value.exit_code == 3


def test_a_model_that_is_copied_in_place_manifest_first_is_loaded_once_it_is_whole(
    served: Path, artifacts: Path, tmp_path: Path
) -> None:
    metrics, copied = Metrics(), tmp_path / "copied"
    models = Models(served, metrics)
    copied.mkdir()
    promote(served, copied)
    names = ("manifest.json", "model.joblib", "model.json", "contract.json", "reference.json")
    for name in names:
        content = (artifacts / "2" / name).read_bytes()
        with (copied / name).open("wb") as file:
            for part in (content[:100], content[100:]):
                models.look()
                assert models.current().version == "1"
                file.write(part)
                file.flush()
    models.look()
    assert models.current().version == "2"
    refused = value(metrics, "fraud_scorer_models_refused_total")
    models.look()
    assert value(metrics, "fraud_scorer_models_refused_total") == refused


def test_a_shadow_whose_scores_do_not_fit_is_switched_off(
    artifacts: Path, dataset: Dataset
) -> None:
    metrics = Metrics()
    shadow = Shadow(artifacts / "1", metrics)
    assert shadow.compare(dataset.claims[:2], np.zeros(3), 0.5) is None
    assert value(metrics, "fraud_scorer_shadow_failed") == 1


def test_a_rule_file_that_anybody_may_write_to_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("rule = []")
    settings = Settings(instance_id="i", rules_file=file)
    assert len(rules_of(settings)(shipped("auto"))) == 0
    file.chmod(0o666)
    with pytest.raises(SettingsError, match=f"^RULES_FILE={file}: .*chmod o-w {file}$"):
        rules_of(settings)
