"""The checked-in documents are those of the types."""

import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.export import FOLDER, RELEASED, contracts, documents, main, stale
from tests.harness.audit import before
from tests.schemas.reading import CONTRACTS, Contract


def test_checked_in_documents_are_fresh() -> None:
    assert stale(FOLDER, documents()) == [], "run python -m schemas.export"


def test_export_writes_what_check_then_accepts(tmp_path: Path) -> None:
    folder = ["--folder", str(tmp_path)]
    assert main(folder) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(documents())
    assert main([*folder, "--check"]) == 0


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--folder", str(tmp_path / "file")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the documents could not be written: ")
    assert str(tmp_path / "file") in said


def test_check_names_a_changed_a_missing_and_a_forgotten_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--folder", str(tmp_path)])
    (tmp_path / "claim.json").write_text("{}")
    (tmp_path / "openapi.json").unlink()
    (tmp_path / "former.json").write_text("{}")
    capsys.readouterr()
    assert main(["--folder", str(tmp_path), "--check"]) == 1
    told = capsys.readouterr().err
    assert [name in told for name in ("claim.json", "openapi.json", "former.json")] == [True] * 3
    assert "fraud-alert.json" not in told
    assert main(["--folder", str(tmp_path)]) == 0
    assert stale(tmp_path, documents()) == []


def test_every_contract_has_a_released_form() -> None:
    assert sorted(path.name for path in RELEASED.iterdir()) == sorted(contracts())


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.file)
def test_document_is_json_schema_2020_12(contract: Contract) -> None:
    document = contract.document()
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
    Draft202012Validator.check_schema(document)
    assert document["title"].endswith(" v1")
    assert document["description"]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.file)
def test_every_field_of_every_contract_is_described(contract: Contract) -> None:
    document = contract.document()
    objects = [document, *document.get("$defs", {}).values()]
    for schema in objects:
        for name, field in schema.get("properties", {}).items():
            branches = [field, *field.get("anyOf", ())]
            assert any(branch.get("description") for branch in branches), name


def test_a_file_of_any_size_is_stale_unread(tmp_path: Path) -> None:
    def opened(path: object, *_: object) -> None:
        pytest.fail(f"{path} was read")

    (tmp_path / "claim.json").touch()
    os.truncate(tmp_path / "claim.json", 2_000_000_000)
    with before("open", opened):
        assert stale(tmp_path, {"claim.json": b"{}"}) == ["claim.json"]
        assert stale(tmp_path, {}) == ["claim.json"]
