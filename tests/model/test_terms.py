"""What keeps a loadable model out of service, and what lets it in."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from model.artifact.store import ArtifactError
from model.releases.terms import Terms
from model.releases.versions import history, in_service, promote
from model.scoring.load import load
from model.training.train import write
from schemas.contract.model import Contract
from schemas.contract.parse import from_bytes
from tests.model.examples import AUTO, linear

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
DOUBT = "only 3 frauds to test on; 15 are the fewest"


def save(root: Path, version: str, contract: Contract = AUTO, doubts: tuple[str, ...] = ()) -> None:
    trained = linear()._replace(contract=contract, doubts=doubts)
    write(trained, root / version, created_at=NOW, version=version)


def narrower() -> Contract:
    """Auto, with a lower bound on amounts and another version."""
    tree = msgspec.json.decode(AUTO.to_json())
    tree["properties"]["claim_amount"]["maximum"] = 5_000_000
    tree["x-contract"]["version"] = 2
    return from_bytes(msgspec.json.encode(tree), "auto.json")


def test_a_contract_that_refuses_more_has_to_be_accepted(tmp_path: Path) -> None:
    save(tmp_path, "v1")
    save(tmp_path, "v2", narrower())
    promote(tmp_path, "v1", NOW)
    with pytest.raises(ArtifactError) as refused:
        promote(tmp_path, "v2", NOW)
    message = str(refused.value)
    assert "\n  x-contract: version is 2, was 1\n" in message
    assert "claim_amount: maximum is 5000000" in message
    for words in ("dead letters", "a new topic", "takes both", "--accept-contract-change"):
        assert words in message
    assert in_service(tmp_path) == "v1"
    assert len(history(tmp_path)) == 1
    done = promote(tmp_path, "v2", NOW, terms=Terms(contract_change=True))
    assert history(tmp_path)[-1].contract_changes == done.contract_changes
    assert any("claim_amount" in change for change in done.contract_changes)
    assert load(tmp_path / "current").contract.about.version == 2


def test_the_way_back_to_the_wider_contract_needs_no_word_about_bounds(tmp_path: Path) -> None:
    save(tmp_path, "v1", narrower())
    save(tmp_path, "v2")
    promote(tmp_path, "v1", NOW)
    with pytest.raises(ArtifactError) as refused:
        promote(tmp_path, "v2", NOW)
    assert "version is 1, was 2" in str(refused.value)
    assert "claim_amount" not in str(refused.value)


def test_a_model_in_service_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    save(tmp_path, "v1")
    save(tmp_path, "v2")
    promote(tmp_path, "v1", NOW)
    (tmp_path / "v1" / "contract.json").write_bytes(b"{}")
    with pytest.raises(
        ArtifactError, match=r"in service is not known: .*contract\.json has sha256"
    ):
        promote(tmp_path, "v2", NOW)
    promote(tmp_path, "v2", NOW, terms=Terms(contract_change=True))
    assert in_service(tmp_path) == "v2"


def test_a_model_with_doubts_is_promoted_for_a_reason_that_is_recorded(tmp_path: Path) -> None:
    save(tmp_path, "v1", doubts=(DOUBT,))
    with pytest.raises(ArtifactError) as refused:
        promote(tmp_path, "v1", NOW)
    assert f"\n  {DOUBT}\n" in str(refused.value)
    assert "--despite REASON" in str(refused.value)
    assert in_service(tmp_path) is None
    promote(tmp_path, "v1", NOW, terms=Terms(despite="a pilot"))
    (entry,) = history(tmp_path)
    assert (entry.despite, entry.doubts) == ("a pilot", (DOUBT,))
    save(tmp_path, "v2")
    promote(tmp_path, "v2", NOW, terms=Terms(despite="a habit"))
    assert history(tmp_path)[-1].despite is None


def test_doubts_and_changes_are_listed_together(tmp_path: Path) -> None:
    save(tmp_path, "v1")
    save(tmp_path, "v2", narrower(), (DOUBT,))
    promote(tmp_path, "v1", NOW)
    with pytest.raises(ArtifactError) as refused:
        promote(tmp_path, "v2", NOW, terms=Terms())
    assert DOUBT in str(refused.value)
    assert "maximum is 5000000" in str(refused.value)
    for half in (Terms(despite="a pilot"), Terms(contract_change=True)):
        with pytest.raises(ArtifactError):
            promote(tmp_path, "v2", NOW, terms=half)
