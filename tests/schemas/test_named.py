"""Contracts by name."""

from pathlib import Path

import pytest

from schemas.__main__ import WRONG, main
from schemas.cli.named import named, names
from schemas.contract.errors import ContractError
from tests.schemas.contracts import FOLDER, shipped


@pytest.mark.parametrize("name", names())
def test_a_contract_of_the_product_goes_by_its_name_or_its_file(name: str) -> None:
    assert named(Path(name)) == named(FOLDER / f"{name}.yaml") == shipped(name)


def test_a_file_of_that_name_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auto").write_bytes((FOLDER / "health.yaml").read_bytes())
    assert named(Path("auto")).about == shipped("health").about


@pytest.mark.parametrize("said", ["helth", "helth.yaml", "folder/health"])
def test_another_name_is_refused_and_files_are_looked_for(said: str) -> None:
    with pytest.raises((ContractError, OSError), match=said.rsplit("/", maxsplit=1)[-1]):
        named(Path(said))


def test_the_refusal_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--contract", "helth"]) == WRONG
    assert "auto, carclaims, health, insurance_claims, property" in capsys.readouterr().err


def test_documents_are_exported_by_name(tmp_path: Path) -> None:
    assert main(["export", "--contract", "health", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "openapi.json").exists()
