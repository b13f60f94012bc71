"""Data sets that are read through a contract."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from model.datasets.dataset import Dataset, DatasetError, load_by_contract
from tests.model.examples import AUTO, dataset
from tests.schemas.contracts import small

NUMBER = {"type": "number", "x-role": "feature"}
LABEL = {"field": "found", "fraud": ["bad"], "honest": ["good"]}
CONTRACT = small({"amount": NUMBER}, x_label=LABEL)
ROWS = ("a,1,bad,x", "b,2,,x", "c,3,good,y", "d,4,open,y", "e,5,good,y")


def table(path: Path, *rows: str) -> str:
    path.write_text("\n".join(["claim_no,amount,found,colour", *rows]) + "\n")
    return str(path)


def test_what_is_not_labelled_is_counted_and_what_is_not_read_is_listed(tmp_path: Path) -> None:
    found = load_by_contract(table(tmp_path / "t.csv", *ROWS), CONTRACT)
    assert [claim.claim_no for claim in found.claims] == ["a", "c", "e"]
    assert [claim.amount for claim in found.claims] == [1, 3, 5]
    assert found.labels.tolist() == [1, 0, 0]
    assert found.labels.dtype == np.int8
    assert found.unlabelled == 2
    assert found.unused == ("colour",)
    assert found.rejected == ()
    assert (found.name, found.format, found.contract) == ("t.csv", "small", CONTRACT)
    assert len(load_by_contract(str(tmp_path / "t.csv"), CONTRACT, rows=2).claims) == 1


def test_events_are_counted_alike(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    events = [
        {"claim_no": "a", "amount": 1, "found": "bad"},
        {"claim_no": "b", "amount": 2},
        {"claim_no": "c", "amount": 3, "found": "good", "colour": "x"},
    ]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    found = load_by_contract(str(path), CONTRACT)
    assert (len(found.claims), found.labels.tolist(), found.unlabelled) == (2, [1, 0], 1)


def test_rows_that_are_no_claims_are_named(tmp_path: Path) -> None:
    honest = [f"h{n},{n},good,x" for n in range(30)]
    found = load_by_contract(table(tmp_path / "t.csv", *honest, "z,much,good,x"), CONTRACT)
    (line,) = found.rejected
    assert line.startswith("t.csv, line 32: ")
    assert "amount" in line
    with pytest.raises(DatasetError, match=r"10 of 40 rows rejected; the first: t\.csv, line 32: "):
        load_by_contract(table(tmp_path / "t.csv", *honest, *["z,much,good,x"] * 10), CONTRACT)


def test_a_contract_without_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="contract small: no x-label"):
        load_by_contract(table(tmp_path / "t.csv", *ROWS), small({"amount": NUMBER}))


def test_a_file_in_which_nothing_is_labelled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t\.csv: no claim of 2 is labelled: found has none"):
        load_by_contract(table(tmp_path / "t.csv", "a,1,,x", "b,2,open,x"), CONTRACT)


def test_a_file_without_rows_or_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t\.csv: no rows"):
        load_by_contract(table(tmp_path / "t.csv"), CONTRACT)
    (tmp_path / "u.csv").write_text("amount,found\n1,bad\n")
    with pytest.raises(DatasetError, match=r"u\.csv, line 1: .*claim_no"):
        load_by_contract(str(tmp_path / "u.csv"), CONTRACT)
    with pytest.raises(DatasetError, match=r"none\.csv"):
        load_by_contract(str(tmp_path / "none.csv"), CONTRACT)


def test_a_part_is_of_its_rows() -> None:
    whole = dataset(30)
    again = dataclasses.replace(
        whole, claims=[*whole.claims, whole.claims[3]], labels=np.append(whole.labels, np.int8(1))
    )
    rows = np.array([30, 4, 3])
    part = again.part(rows)
    assert part.claims == [whole.claims[3], whole.claims[4], whole.claims[3]]
    assert part.labels.tolist() == again.labels[rows].tolist()
    assert part.contract == AUTO
    assert part.days.tolist() == again.days[rows].tolist()
    assert part.reported.tolist() == again.reported[rows].tolist()
    assert part.groups.tolist() == [0, 1, 0]
    assert part.duplicates.claims == 1
    none = again.part(np.array([], dtype=np.int64))
    assert isinstance(none, Dataset)
    assert (len(none.claims), none.labels.tolist()) == (0, [])
