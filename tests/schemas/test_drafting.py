"""A draft is a contract that accepts the file it was drafted from, and marks what is doubtful."""

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.samples import dwellings, health
from schemas.__main__ import REFUSED, WRONG, main
from schemas.claim import Role
from schemas.contract.model import Contract
from schemas.contract.parse import from_bytes
from schemas.drafting.draft import draft
from schemas.entities.declared import Entity
from schemas.tables.claims import open_claims
from tests.schemas.contracts import FOLDER

ROWS = 400


def own_history(folder: Path) -> Path:
    """A motor insurer's file as such files are."""
    rng = random.Random(3)
    path = folder / "Motor History.csv"
    with path.open("w", encoding="cp1252", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(
            [
                *("Claim No", "PolicyNo", "Loss Date", "Reported", "GarageID", "Est. Amount"),
                *("Police", "Driver Name", "Phone", "Sex", "Driver Age", "Km", "Branch", "Closed"),
                *("FraudFlag", "VIN", "class", "Remarks"),
            ]
        )
        for n in range(ROWS):
            fraud = rng.random() < 0.1
            rows.writerow(
                [
                    *(f"C{n:05}", f"P{rng.randrange(300):04}"),
                    *(f"{rng.randrange(1, 29):02}/03/2024", f"{rng.randrange(1, 29):02}.04.2024"),
                    *(f"G{rng.randrange(60):03}", f"€ {rng.randrange(100, 99_999):,}.50"),
                    *(rng.choice("YN"), f"Jürgen {n}", f"0171{rng.randrange(10**6):06}"),
                    *(rng.choice("mf"), rng.randrange(18, 90), rng.randrange(1_000, 250_000)),
                    *("North", "F" if fraud else "O", "Y" if fraud else "N", f"WVW{n:014}"),
                    *(rng.choice("ab"), f"Words {n} " * 12),
                ]
            )
    return path


def drafted(path: Path, label: str | None = None) -> tuple[Contract, str]:
    text = draft(path, label)
    return from_bytes(text.encode(), "draft.yaml"), text


def test_an_own_history(tmp_path: Path) -> None:
    contract, text = drafted(own_history(tmp_path), "FraudFlag")
    fields = contract.fields
    roles = {
        "claim_no": Role.IDENTIFIER,
        "policy_no": Role.IDENTIFIER,
        "loss_date": Role.TIME,
        "garage_id": Role.FEATURE,
        "est_amount": Role.FEATURE,
        "driver_name": Role.PERSONAL,
        "phone": Role.PERSONAL,
        "sex": Role.PROTECTED,
        "driver_age": Role.PROTECTED,
        "vin": Role.IDENTIFIER,
        "remarks": Role.PERSONAL,
    }
    assert {name: fields[name].role for name in roles} == roles
    assert contract.entities["garage_id"] == Entity(kind="garage", like="business")
    assert contract.entities["phone"] == Entity(kind="phone", form="phone")
    assert contract.entities["policy_no"] == Entity(kind="policy", form="code")
    assert "x-entity: {kind: phone, form: phone}" in text
    kinds = {"loss_date": "date", "est_amount": "number", "police": "flag", "km": "number"}
    assert {name: fields[name].kind for name in kinds} == kinds
    assert msgspec.structs.asdict(contract.event) == {
        "id": "claim_no",
        "key": "policy_no",
        "time": "reported",
        "occurred": "loss_date",
        "amount": "est_amount",
    }
    assert list(contract.derived) == ["report_lag_days"]
    assert contract.label is not None
    assert (contract.label.fraud, contract.label.honest) == (("Y",), ("N",))
    assert "# ? closed: tells the label alone (ROC AUC 1.00)" in text
    assert "# ? branch: the same in every row" in text
    assert "class_" in fields
    with open_claims(tmp_path / "Motor History.csv", contract) as file:
        rows = list(file.rows)
    assert [row.fault for row in rows if row.fault] == []
    assert len(rows) == ROWS


def table(folder: Path, name: str, values: Sequence[Any], rows: int = 60) -> Path:
    path = folder / "some.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["claim_id", name])
        for n in range(rows):
            out.writerow([f"c{n}", values[n % len(values)]])
    return path


@pytest.mark.parametrize(
    ("values", "declared", "doubt"),
    [
        (["1.234,50", "12,00"], {"thousands": ".", "decimal": ","}, ""),
        (["1'234.50", "12"], {"thousands": "'"}, ""),
        (["$1,234.50", "$12"], {"thousands": ",", "currency": ["$"]}, ""),
        (["1.234", "5.678"], {}, "may be thousands or a fraction"),
        (["12", "n/a", "7"], {"missing": ["n/a"]}, "taken for no value: n/a"),
        (["13/01/2024", "01/02/2024"], {"date": "%d/%m/%Y"}, ""),
        (["01/13/2024", "01/02/2024"], {"date": "%m/%d/%Y"}, ""),
        (["01/02/2024", "03/04/2024"], {"date": "%d/%m/%Y"}, "day and month may be the other way"),
        (
            ["2024-01-31T10:00:00Z"] * 2 + ["2024-01-30T10:00:00Z"],
            {"date": "%Y-%m-%dT%H:%M:%S%z"},
            "",
        ),
        (["31 Jan 2024", "1 Feb 2024"], {"date": "%d %b %Y"}, ""),
        (["ja", "nein"], {"true": ["ja"], "false": ["nein"]}, ""),
        (["1 to 7", "8 to 15"], None, "bands: x-read with a table"),
        (["007", "012"], None, ""),
    ],
)
def test_how_a_column_is_read(
    tmp_path: Path, values: list[str], declared: dict[str, Any] | None, doubt: str
) -> None:
    contract, text = drafted(table(tmp_path, "thing", values))
    assert contract.tree["properties"]["thing"].get("x-read") == (declared or None)
    assert doubt in text
    assert ("# ? thing:" in text) == bool(doubt)
    with open_claims(tmp_path / "some.csv", contract) as file:
        assert not [row.fault for row in file.rows if row.fault]


def test_a_few_values_of_another_kind_are_doubts_and_refused_one_by_one(tmp_path: Path) -> None:
    path = table(tmp_path, "thing", [*map(str, range(199)), "many"], rows=200)
    contract, text = drafted(path)
    assert "# ? thing: 0.50% of the values do not read like this" in text
    with open_claims(path, contract) as file:
        assert sum(row.fault is not None for row in file.rows) == 1


def test_a_file_without_an_id_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("colour,size\n" + "red,1\nblue,2\n" * 30)
    contract, text = drafted(path)
    assert contract.event.id == "claim_id"
    assert "the number of the row is the id" in text
    with open_claims(path, contract) as file:
        assert next(file.rows).claim.claim_id == "row-00000001"


@pytest.mark.parametrize(
    ("generate", "label"),
    [(health.generate, "/review/result"), (dwellings.generate, "/Investigation/Finding")],
)
def test_nested_events(tmp_path: Path, generate: Any, label: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, generate(300, 1))))
    contract, _ = drafted(path, label)
    assert contract.label_path == tuple(label[1:].split("/"))
    with open_claims(path, contract) as file:
        rows = list(file.rows)
    # Some days have months in German, which the draft says.
    assert sum(row.fault is not None for row in rows) <= 45
    assert {row.label for row in rows} >= {True, False}


def test_the_command_drafts_checks_and_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = own_history(tmp_path)
    assert main(["draft", "--data", str(data), "--label", "FraudFlag"]) == 0
    contract = tmp_path / "claims.yaml"
    contract.write_text(capsys.readouterr().out)
    assert main(["check", "--contract", str(contract), "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert f"Motor History.csv: {ROWS} rows accepted, 0 refused (encoding cp1252" in told
    assert "Jürgen" not in told
    output = tmp_path / "documents"
    assert main(["export", "--contract", str(contract), "--output", str(output)]) == 0
    assert "no claim.avsc: Avro cannot have the name Claim No" in capsys.readouterr().out
    names = {path.name for path in output.iterdir()}
    assert names >= {"claim.json", "claim-decoded.json", "openapi.json", "asyncapi.json"}
    assert json.loads((output / "claim.json").read_text())["title"] == "Claims of Motor History"


def test_check_shows_rows_that_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "claims.csv"
    data.write_text(
        "claim_id,loss_hour,shoe_size,claimant_name\na,25,1,Ada\nb,x,1,Ada\nc,3,1,Ada\n"
    )
    contract = str(FOLDER / "auto.yaml")
    assert main(["check", "--contract", contract, "--data", str(data)]) == REFUSED
    told = capsys.readouterr().out
    assert "1 rows accepted, 2 refused" in told
    assert "the first is line 2: column loss_hour, '25': must be at most 23" in told
    assert "columns not in the contract: shoe_size" in told
    assert "fields without a column: policy_number, representative_id" in told
    assert "Ada" not in told


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["draft", "--data", "none.csv"], "none.csv: [Errno 2] No such file"),
        (["check", "--contract", "none.yaml"], "none.yaml, $: cannot be read"),
        (["export", "--contract", "none.yaml", "--output", "x"], "none.yaml, $: cannot be read"),
    ],
)
def test_what_the_command_cannot_do(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == WRONG
    assert what in capsys.readouterr().err


def test_a_label_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, "thing", ["a", "b"])
    assert main(["draft", "--data", str(path), "--label", "Fraud"]) == WRONG


def test_what_is_no_number_does_not_rank(tmp_path: Path) -> None:
    """Of a file whose numbers are missing in one word or another; it used not to end."""
    path = tmp_path / "claims.csv"
    words = ["nan", "NaN", "inf", "-inf", "n/a", ""]
    rows = [f"c{n},{n},{'Y' if n > 149 else 'N'}" for n in range(200)]
    rows += [f"d{n},{words[n % 6]},{'YN'[n % 2]}" for n in range(60)]
    path.write_text("claim_id,paid,fraud\n" + "\n".join(rows) + "\n")
    assert "# ? paid: tells the label alone (ROC AUC 1.00)" in draft(path, "fraud")


@pytest.mark.parametrize("name", ["auto", "health", "property", "carclaims", "insurance_claims"])
def test_shipped_contracts_pass(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--contract", str(FOLDER / f"{name}.yaml")]) == 0
    assert f"{name}.yaml: " in capsys.readouterr().out


def travel_history(folder: Path) -> Path:
    """A travel insurer's file in German, with marks on letters and a third word in the label."""
    path = folder / "reise.csv"
    with path.open("w", encoding="cp1252", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(
            [
                *("Schaden Nr.", "Reisebüro", "Vorschäden", "Mitreisende", "Geschlecht"),
                *("Geburtsdatum", "Rückruf unter", "Erstattung auf", "Antwort an", "Ergebnis"),
            ]
        )
        for n in range(ROWS):
            rows.writerow(
                [
                    *(f"S{n:05}", f"RB-{n % 50:03}", n % 4, "unbekannt" if n % 9 == 0 else n % 5),
                    *("mw"[n % 2], f"{n % 28 + 1:02}.03.1970", f"+49 171 {7_000_000 + n % 99}"),
                    *(f"DE44 5001 0517 5407 3249 {n % 90 + 10}", f"k{n % 99}@example.org"),
                    "noch\noffen" if n % 7 == 0 else "Betrug" if n % 20 == 1 else "kein Betrug",
                ]
            )
    return path


def test_letters_with_marks_stay_in_names(tmp_path: Path) -> None:
    contract, _ = drafted(travel_history(tmp_path), "Ergebnis")
    assert {"reisebuero", "vorschaeden", "rueckruf_unter"} <= set(contract.fields)


def test_people_are_found_in_values_and_in_german_names(tmp_path: Path) -> None:
    contract, text = drafted(travel_history(tmp_path), "Ergebnis")
    roles = {
        "geschlecht": Role.PROTECTED,
        "geburtsdatum": Role.PERSONAL,
        "rueckruf_unter": Role.PERSONAL,
        "erstattung_auf": Role.PERSONAL,
        "antwort_an": Role.PERSONAL,
        "reisebuero": Role.FEATURE,
        "schaden_nr": Role.IDENTIFIER,
    }
    assert {name: contract.fields[name].role for name in roles} == roles
    assert contract.entities["rueckruf_unter"] == Entity(kind="phone", form="phone")
    assert contract.entities["antwort_an"] == Entity(kind="email", form="email")
    assert "# ? rueckruf_unter: personal by its values" in text


def test_what_a_draft_could_not_find_is_named(tmp_path: Path) -> None:
    _, text = drafted(travel_history(tmp_path), "Ergebnis")
    assert "# ? no field was found to be key (the policy" in text
    assert "occurred (the day of the loss; --split time needs it)" in text
    assert "# ? which words mean fraud; with any other a claim is unlabelled: noch offen" in text
    assert "# ? mitreisende: a number but for unbekannt" in text
