"""Numbers in the texts of reasons and cases: rounded, in percent, as money."""

import pytest

from model.scoring.phrases import CaseFacts, phrase
from schemas.contract.declared import Cases
from schemas.contract.errors import ContractError
from schemas.contract.phrases import render, shown
from schemas.decoding.structs import claim_type
from tests.schemas.contracts import small

NUMBER = {"type": "number", "x-role": "feature"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1239958404, "0.124"),
        (12.3456, "12.346"),
        (1234567.891, "1,234,567.891"),
        (0.000123456, "0.000123"),
        (-2.50049, "-2.5"),
        (0.99999, "1"),
        (3.0, "3"),
        (1234567.0, "1,234,567"),
        (5, "5"),
        (True, "yes"),
        ("0.12345", "0.12345"),
    ],
)
def test_a_number_is_shown_as_people_read_it(value: str | float | bool, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234.50"), (18000.0, "18,000"), (0.999, "1"), (12.3456, "12.35")]
)
def test_money_has_two_decimals(value: float, text: str) -> None:
    assert shown(value, money=True) == text


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("{:.0f} {day|days} late", 2.4, "2 days late"),
        ("{:.0f} {day|days} late", 0.9, "1 day late"),
        ("{:.1f} {day|days} late", 0.96, "1.0 days late"),
        ("{:.0f} claimed", 1234567.8, "1,234,568 claimed"),
        ("{} {day|days} late", 1.0002, "1 day late"),
        ("{} {year|years} ago", 0.1239958404, "0.124 years ago"),
        ("{:%} of the sum insured", 0.12345, "12.3 % of the sum insured"),
        ("{:%} of the sum insured", 0.5, "50 % of the sum insured"),
        ("{:.2%} of the sum insured", 0.12345, "12.35 % of the sum insured"),
        ("at {:02}:00", 7.0, "at 07:00"),
    ],
)
def test_a_text_rounds_and_shows_percent(text: str, value: float, said: str) -> None:
    assert render(text, value) == said
    assert render(Cases(positive=text), value) == said


def test_the_words_of_a_band_need_no_form() -> None:
    assert render("{:.0f} {month|months} old", 3.5, "3 to 4") == "3 to 4 months old"
    assert render("{:.0f} {month|months} old", 3.5, "under 6 months") == "under 6 months old"


@pytest.mark.parametrize("text", ["{:.f}", "{:x}", "{:%%}", "{.0f}", "{:.10f}"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="has a bracket that is not"):
        small({"lag": {**NUMBER, "x-text": text}})


@pytest.mark.parametrize("text", ["\x1b[31m{}", "{} \u202e", "{}\n"])
def test_what_cannot_be_printed_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="has a character that cannot be printed"):
        small({"lag": {**NUMBER, "x-text": text}})


@pytest.mark.parametrize("form", ["{:.0f}", "{:%}", "{:02}"])
def test_a_form_is_for_numbers(form: str) -> None:
    with pytest.raises(ContractError, match="which is for a number"):
        small({"garage": {"type": "string", "x-role": "feature", "x-text": f"by {form}"}})


def test_the_value_of_a_case_stays_exact() -> None:
    contract = small(
        {
            "billed": {**NUMBER, "x-unit": "currency", "x-case": True},
            "years": {**NUMBER, "x-text": "moved {} {year|years} ago", "x-case": True},
        }
    )
    claim = claim_type(contract)(claim_no="c", billed=1234.5678, years=0.1239958404)
    billed, years = CaseFacts(contract).of([claim])[0]
    assert (billed.text, billed.value) == ("billed: 1,234.57", 1234.5678)
    assert (years.text, years.value) == ("moved 0.124 years ago", 0.1239958404)
    assert phrase(contract, "billed", 0.1) == "billed: 0.10"
