"""Contracts by name."""

from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from schemas.__main__ import WRONG, main
from schemas.cli.named import named, names
from schemas.contract.errors import ContractError
from tests.schemas.contracts import FOLDER, decoder, shipped


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
    assert "auto, carclaims, health, insurance_claims, motor, property" in capsys.readouterr().err


HEALTH = (FOLDER / "health.yaml").read_text()


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (
            "{claim: {number: H-9, billed: -5}}",
            "$.examples[0].claim.billed: not a valid claim of this contract: must be",
        ),
        (
            "{claim: {number: H-1}, service: {date: soon}}",
            "$.examples[0].service.date: not a valid claim",
        ),
        ("{claim: {billed: 5}}", "$.examples[0].claim.number: not a valid claim"),
        ("[5]", "$.examples[0]: "),
        ("{claim: {number: H-1, biled: 5}}", "$.examples[0].claim.biled: not a field of this"),
    ],
)
@pytest.mark.parametrize("command", ["check", "export"])
def test_an_example_that_is_not_a_claim_is_named_with_its_place(
    command: str, example: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(HEALTH.partition("\nexamples:")[0] + f"\nexamples:\n  - {example}\n")
    more = ["--output", str(tmp_path / "out")] if command == "export" else []
    assert main([command, "--contract", str(file), *more]) == WRONG
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", names())
def test_every_example_of_the_product_s_contracts_is_one(name: str) -> None:
    assert main(["check", "--contract", name]) == 0


DOCUMENTS = {
    *("claim.json", "claim-decoded.json", "claim-example.json", "openapi.json"),
    *("asyncapi.json", "fraud-alert.json", "fraud-alert.avsc", "dead-letter.json"),
    "fraud-outcome.json",
}


@pytest.mark.parametrize("name", ["auto", "health", "property"])
def test_documents_are_exported_by_name(name: str, tmp_path: Path) -> None:
    assert main(["export", "--contract", name, "--output", str(tmp_path)]) == 0
    flat = {"claim.avsc"} if name == "auto" else set()
    assert {path.name for path in tmp_path.iterdir()} == DOCUMENTS | flat
    example = (tmp_path / "claim-example.json").read_bytes()
    claim, unknown = decoder(name).read(example)
    assert getattr(claim, shipped(name).event.id)
    assert unknown == ()
    schema = msgspec.json.decode((tmp_path / "claim.json").read_bytes())
    Draft202012Validator(schema).validate(msgspec.json.decode(example))


def test_the_contract_in_a_model_s_folder_gives_the_documents_of_that_model(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_bytes(shipped("health").to_json())
    for said, folder in ((str(file), "model"), ("health", "shipped")):
        assert main(["export", "--contract", said, "--output", str(tmp_path / folder)]) == 0
    for name in DOCUMENTS:
        assert (tmp_path / "model" / name).read_bytes() == (
            tmp_path / "shipped" / name
        ).read_bytes()
