"""``python -m schemas check`` shows what each derived fact is like in a file."""

from pathlib import Path

import pytest

from schemas.__main__ import main

CONTRACT = """
title: Small claims
x-contract: {name: small, version: 1, line_of_business: none}
x-event: {id: claim_no}
required: [claim_no]
properties:
  claim_no: {type: string, x-role: identifier}
  lost:     {type: string, format: date, x-role: time}
  reported: {type: string, format: date, x-role: time}
  born:     {type: string, format: date, x-role: personal}
  cause:    {type: string, x-role: feature}
  place:    {type: string, x-role: feature}
x-derived:
  lag: days_between(lost, reported)
  late: lag > 3
  age: days_between(lost, born)
  where: coalesce(cause, place)
  answer: "42"
"""
ROWS = [
    "a,2024-01-10,2024-01-12,1980-01-01,theft,",
    "b,2024-01-10,2024-02-20,1990-01-01,,Rome",
    "c,2024-01-10,,1990-01-01,theft,Rome",
    "d,2024-01-10,soon,1990-01-01,theft,Rome",
]


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "claims.yaml"
    path.write_text(CONTRACT)
    return path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed, with single blanks."""
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_derived_fact_has_a_line_without_a_file(
    contract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--contract", str(contract)]) == 0
    assert lines(capsys) == [
        "claims.yaml: 6 fields, 5 derived facts",
        "derived facts: kind, what it is computed from",
        "lag number from lost, reported",
        "late flag from lag",
        "age number from lost, born",
        "where text from cause, place",
        "answer number from nothing",
    ]


def test_a_wrong_formula_is_seen(
    contract: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lag is negative, as its days were taken the wrong way round."""
    data = tmp_path / "claims.csv"
    data.write_text("\n".join(["claim_no,lost,reported,born,cause,place", *ROWS]))
    assert main(["check", "--contract", str(contract), "--data", str(data)]) == 1
    found = lines(capsys)
    assert found[-6:] == [
        "derived facts: kind, what it is computed from, claims without a value, values",
        "lag number from lost, reported; missing in 1 of 3; -41 to -2, 2 different",
        "late flag from lag; missing in 1 of 3; False 2",
        "age number from lost, born; missing in 0 of 3; 2 different",  # personal
        "where text from cause, place; missing in 0 of 3; theft 2, Rome 1",
        "answer number from nothing; missing in 0 of 3; 42 to 42, 1 different",
    ]


def test_of_many_texts_the_most_frequent_are_shown(
    contract: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "claims.csv"
    causes = ["theft"] * 5 + ["fire"] * 3 + ["hail"] * 2 + [f"other {n}" for n in range(20)]
    rows = [f"{n},,,,{cause}," for n, cause in enumerate(causes)]
    data.write_text("\n".join(["claim_no,lost,reported,born,cause,place", *rows]))
    assert main(["check", "--contract", str(contract), "--data", str(data)]) == 0
    where = next(line for line in lines(capsys) if line.startswith("where text"))
    assert where.endswith("missing in 0 of 30; 23 different, mostly theft 5, fire 3, hail 2")
