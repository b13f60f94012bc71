"""Marks of a contract that alerts and reasons follow: x-case, x-words, x-topic, currency."""

from typing import Any

import pytest

from schemas.contract.errors import ContractError
from schemas.contract.parse import FOLDER, shipped
from tests.schemas.contracts import small

NUMBER: dict[str, Any] = {"type": "number", "x-role": "feature"}
AGE: dict[str, Any] = {"type": "number", "x-role": "protected"}


@pytest.mark.parametrize(
    ("properties", "derived", "message"),
    [
        (
            {
                "who": {"type": "string", "x-role": "personal", "x-from": ["/who", "Name"]},
                "other": {"type": "string", "x-role": "feature", "x-from": "/who"},
            },
            {},
            r"other: is read from the place of who, which is personal",
        ),
        ({"age": {**AGE, "x-case": True}}, {}, r"age\.x-case: protected, and alerts carry"),
        (
            {"age": AGE, "paid": NUMBER},
            {"share": {"expression": "paid / age", "x-case": True}},
            r"x-derived\.share\.x-case: it is derived from a personal or protected field",
        ),
        (
            {"kind": {"type": "string", "x-role": "feature", "x-words": {"one": 1}}},
            {},
            r"kind\.x-words: is for a number",
        ),
    ],
)
def test_marks_that_are_refused(
    properties: dict[str, Any], derived: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        small(properties, x_derived=derived)


def test_words_of_bands_are_those_of_either_table() -> None:
    contract = small(
        {
            "cars": {**NUMBER, "x-words": {"3 to 4": 3.5}},
            "years": {**NUMBER, "x-read": {"table": {"1 to 2": 1.5}}},
        }
    )
    assert contract.words("cars", 3.5) == "3 to 4"
    assert contract.words("years", 1.5) == "1 to 2"
    assert contract.words("cars", 4.0) is None


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_contracts_mark_facts_for_the_case_and_none_that_are_withheld(name: str) -> None:
    contract = shipped(name)
    assert contract.case_fields
    assert not [field for field in contract.case_fields if contract.is_withheld(field)]
