"""A draft states the currency that the file states, or says that it is not known."""

import csv
from pathlib import Path

import pytest

from schemas.contract.model import Contract
from schemas.contract.parse import from_bytes
from schemas.drafting.currency import sign_of
from schemas.drafting.draft import draft

UNKNOWN = "not known: no column has its code, and no amount a sign"


def drafted(
    folder: Path, amounts: list[str], codes: list[str] | None = None
) -> tuple[Contract, str]:
    """The draft of a file with amounts and codes, and its remark about the currency."""
    path = folder / "claims.csv"
    rows = list(zip(amounts, codes or [""] * len(amounts), strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["claim_no", "billed", "money"])
        for number in range(20):
            writer.writerows([f"C{number}-{a}", a, c] for a, c in rows)
    text = draft(path)
    remarks = [line for line in text.splitlines() if line.startswith("# ? currency: ")]
    contract = from_bytes(text.encode(), "draft.yaml")
    assert contract.fields["billed"].kind == "number"
    return contract, "".join(remarks).removeprefix("# ? currency: ")


@pytest.mark.parametrize(
    ("amounts", "code", "doubt"),
    [
        (["€ 5", "€ 1234"], "EUR", ""),
        (["5 EUR", "12.50 EUR"], "EUR", ""),
        (["5 eur", "€ 12"], "EUR", ""),
        (["£5", "(£12)", "-£3"], "GBP", ""),
        (["5 zł", "1234 zł"], "PLN", ""),
        (["5 SEK", "7 kr"], "SEK", ""),
        (["R$ 5", "R$ 12"], "BRL", ""),
        (
            ["$5", "$12"],
            "USD",
            "by the sign at the amounts of billed; it may be CAD or AUD or another dollar",
        ),
        (["$5", "7 CAD"], "CAD", ""),
        (["¥5", "¥12"], "JPY", "by the sign at the amounts of billed; it may be CNY"),
        (
            ["5 kr", "7 kr"],
            None,
            "not known: SEK or NOK or DKK, by the sign at the amounts of billed",
        ),
        (
            ["€5", "£7"],
            None,
            "not known: there are several at the amounts of billed (£, €), and all",
        ),
        (["5", "1234"], None, UNKNOWN),
        (["5 %", "12 %"], None, UNKNOWN),
    ],
)
def test_signs_of_amounts(amounts: list[str], code: str | None, doubt: str, tmp_path: Path) -> None:
    contract, said = drafted(tmp_path, amounts)
    assert contract.about.currency == code
    assert said.startswith(doubt) and bool(said) == bool(doubt)


def test_a_column_of_codes(tmp_path: Path) -> None:
    contract, said = drafted(tmp_path, ["5", "7"], ["CHF", "chf"])
    assert (contract.about.currency, said) == ("CHF", "")


def test_several_codes_are_not_one_currency(tmp_path: Path) -> None:
    contract, said = drafted(tmp_path, ["€5", "€7"], ["CHF", "EUR"])
    assert contract.about.currency is None
    assert said == (
        "not known: there are several in column money (CHF, EUR), and all amounts of a contract "
        "are in one"
    )


@pytest.mark.parametrize(
    ("text", "sign"), [("US$ 5", "us$"), ("5,00 Kč", "kč"), ("- 5 kr", "kr"), ("5", ""), ("", "")]
)
def test_the_longest_sign_counts(text: str, sign: str) -> None:
    assert sign_of(text) == sign


def test_amounts_have_the_unit_of_money(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    rows = [f"C{n};{n * 10}.50;€ {n};{n} %;{n}" for n in range(30)]
    path.write_text("\n".join(["claim_no;billed;excess;share;visits", *rows]), encoding="utf-8")
    contract = from_bytes(draft(path).encode(), "draft.yaml")
    assert contract.event.amount == "billed"
    assert {name: contract.unit(name) for name in contract.fields if name != "claim_no"} == {
        "billed": "currency",  # the amount of the event
        "excess": "currency",  # by its sign
        "share": None,
        "visits": None,
    }
