"""What keeps a loadable model out of service, and what lets it in."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError
from model.releases.promotions import history
from model.releases.signing import SIGNATURE_FILE
from model.releases.terms import Terms
from model.releases.versions import in_service, promote
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


@pytest.mark.parametrize("to", ["promote", "rollback"])
def test_an_unsigned_model_does_not_follow_a_signed_one(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("v1", "v2"):
        save(tmp_path, version, doubts=(DOUBT,))
    promote(tmp_path, "v1", NOW, terms=Terms(despite="a pilot"))
    command = [to, "--root", str(tmp_path)]
    if to == "promote":
        other = "v2"
        command += ["v2", "--despite", "a pilot", "--accept-contract-change"]
        again = f"python -m model promote v2 --root {tmp_path}"
    else:
        other = "v1"
        promote(tmp_path, "v2", NOW, terms=Terms(despite="a pilot"))
        again = f"python -m model rollback --root {tmp_path}"
    present, log = in_service(tmp_path), history(tmp_path)
    (tmp_path / "current" / SIGNATURE_FILE).write_bytes(b"signed")
    assert main(command) == 1
    said = capsys.readouterr().err
    assert f"{other} is not put into service yet, because the present model is signed" in said
    assert f"python -m model sign --model {tmp_path / other} --key FILE, then {again}\n" in said
    assert (in_service(tmp_path), history(tmp_path)) == (present, log)
    (tmp_path / other / SIGNATURE_FILE).write_bytes(b"signed")
    assert main(command) == 0
    assert in_service(tmp_path) == other


def test_signing_is_listed_with_everything_else_that_is_lacking(tmp_path: Path) -> None:
    save(tmp_path, "v1")
    save(tmp_path, "v2", doubts=(DOUBT,))
    promote(tmp_path, "v1", NOW)
    (tmp_path / "v1" / SIGNATURE_FILE).write_bytes(b"signed")
    with pytest.raises(ArtifactError, match=r"(?s)is signed and v2 is not: .*--despite REASON"):
        promote(tmp_path, "v2", NOW)
