"""What is said before a promotion or a rollback, while the former model is still in service."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.manifest import SplitPlan
from model.metrics import Report
from model.releases.promotions import history
from model.releases.terms import Terms
from model.releases.versions import in_service, promote, rollback
from model.training.train import Trained, write
from tests.model.examples import linear
from tests.model.test_terms import narrower, save

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
TRAINED = linear()


def with_figures(root: Path, version: str, **figures: float | None) -> None:
    """Save the model as if it had been evaluated so."""
    report: Report = msgspec.structs.replace(TRAINED.report, **figures)
    write(TRAINED._replace(report=report), root / version, created_at=NOW, version=version)


def said_of(root: Path, version: str) -> list[str]:
    """What a promotion says, each with the version in service at that time."""
    said: list[str] = []
    promote(root, version, NOW, say=lambda text: said.append(f"{in_service(root)}: {text}"))
    return said


def test_a_weaker_model_is_named_before_it_is_put_into_service(tmp_path: Path) -> None:
    with_figures(tmp_path, "v1", roc_auc=0.812, average_precision=0.31)
    with_figures(tmp_path, "v2", roc_auc=0.7811, average_precision=0.34)
    assert said_of(tmp_path, "v1") == []
    assert said_of(tmp_path, "v2") == [
        "v1: v2 is weaker than v1, which is in service: on the same claims ROC AUC 0.781, was "
        "0.812, average precision 0.340, was 0.310"
    ]
    assert in_service(tmp_path) == "v2"


def test_a_model_that_is_as_good_is_promoted_without_a_word(tmp_path: Path) -> None:
    with_figures(tmp_path, "v1", roc_auc=0.8, average_precision=0.3)
    with_figures(tmp_path, "v2", roc_auc=0.8, average_precision=0.31)
    with_figures(tmp_path, "v3", roc_auc=None, average_precision=0.31)
    assert [said_of(tmp_path, version) for version in ("v1", "v2", "v3")] == [[], [], []]


@pytest.mark.parametrize("kind", ["split", "data", "none"])
def test_models_tested_on_other_claims_are_not_compared(kind: str, tmp_path: Path) -> None:
    with_figures(tmp_path, "v1", roc_auc=0.9, average_precision=0.3)
    save_as: Trained = TRAINED
    if kind == "data":
        data = msgspec.structs.replace(TRAINED.data, sha256="cd" * 32)
        save_as = TRAINED._replace(data=data)
    else:
        plan = SplitPlan(kind="none") if kind == "none" else SplitPlan(kind="time", test_size=0.3)
        save_as = TRAINED._replace(plan=plan)
    write(save_as, tmp_path / "v2", created_at=NOW, version="v2")
    promote(tmp_path, "v1", NOW)
    (said,) = said_of(tmp_path, "v2")
    assert said.startswith("v1: v2 cannot be compared with v1, which is in service: they were not ")
    assert "was 0.900" in said
    assert f"python -m model compare {tmp_path / 'v1'} {tmp_path / 'v2'} --data FILE" in said


def test_a_model_elsewhere_is_named_by_its_path(tmp_path: Path) -> None:
    """A version of the folder may have its name."""
    with_figures(tmp_path / "other", "v2", roc_auc=0.8, average_precision=0.3)
    with_figures(tmp_path / "root", "v2", roc_auc=0.7, average_precision=0.3)
    (tmp_path / "root" / "current").symlink_to(tmp_path / "other" / "v2")
    (said,) = said_of(tmp_path / "root", "v2")
    assert f"v2 is weaker than {tmp_path / 'other' / 'v2'}, which is in service" in said


def test_the_command_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_figures(tmp_path, "v1", roc_auc=0.8)
    with_figures(tmp_path, "v2", roc_auc=0.7)
    for version in ("v1", "v2"):
        assert main(["promote", version, "--root", str(tmp_path)]) == 0
    assert "warning: v2 is weaker than v1" in capsys.readouterr().err


def test_a_rollback_lists_what_the_former_contract_may_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "v1", narrower())
    save(tmp_path, "v2")
    promote(tmp_path, "v1", NOW)
    promote(tmp_path, "v2", NOW, terms=Terms(contract_change=True))
    assert main(["rollback", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "warning: v1 may refuse claims that the present model takes:\n  " in said.err
    assert "\n  claim_amount: maximum is 5000000" in said.err
    assert "dead letters" in said.err
    assert "is now v1, which was v2" in said.out
    assert any("claim_amount" in change for change in history(tmp_path)[-1].contract_changes)


def test_a_rollback_to_the_same_contract_says_nothing(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        save(tmp_path, version)
        promote(tmp_path, version, NOW)
    said: list[str] = []
    rollback(tmp_path, NOW, said.append)
    assert said == []
