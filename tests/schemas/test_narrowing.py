"""Changes of a contract: what would refuse claims that were taken is listed, growth is not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.contract.model import Contract
from schemas.contract.parse import parse
from schemas.narrowing import narrowing
from tests.schemas.contracts import document, shipped

Document = dict[str, Any]

TREE = document(
    {
        "lost": {
            "type": "string",
            "format": "date",
            "x-role": "time",
            "x-from": ["/loss/date", "LossDt"],
            "x-read": {"date": ["%d/%m/%Y"]},
        },
        "amount": {
            "type": "number",
            "minimum": 0,
            "maximum": 1000,
            "multipleOf": 1,
            "x-role": "feature",
            "x-unit": "currency",
            "x-read": {"thousands": ","},
        },
        "police": {"type": "boolean", "x-role": "feature", "x-read": {"true": ["Y", "J"]}},
        "kind": {
            "type": "string",
            "maxLength": 20,
            "x-role": "feature",
            "x-read": {"table": {"a": "b"}, "otherwise": "keep"},
        },
        "note": {"type": "string", "x-role": "feature"},
    },
    x_event={"id": "claim_no", "time": "lost"},
    x_missing=["n/a"],
    required=["claim_no", "amount"],
)


def contract(tree: Document) -> Contract:
    return parse(tree, "claims.yaml")


def changed(change: Callable[[Document], object]) -> list[str]:
    tree = copy.deepcopy(TREE)
    change(tree)
    return list(narrowing(contract(TREE), contract(tree)))


def fields(tree: Document) -> Document:
    found: Document = tree["properties"]
    return found


def renamed(tree: Document) -> None:
    fields(tree)["remark"] = fields(tree).pop("note")


NARROWER: dict[str, Callable[[Document], object]] = {
    "note: removed": renamed,
    "x-contract: name is other, was small": lambda d: d["x-contract"].update(name="other"),
    "x-contract: version is 2, was 1": lambda d: d["x-contract"].update(version=2),
    "x-missing: without n/a": lambda d: d.pop("x-missing"),
    "x-event: time is not stated, was lost": lambda d: d["x-event"].pop("time"),
    "note: required": lambda d: d["required"].append("note"),
    "amount: maximum is 999": lambda d: fields(d)["amount"].update(maximum=999),
    "amount: minimum is 1": lambda d: fields(d)["amount"].update(minimum=1),
    "amount: multipleOf is 10": lambda d: fields(d)["amount"].update(multipleOf=10),
    "amount: x-unit is km": lambda d: fields(d)["amount"].update({"x-unit": "km"}),
    "kind: maxLength is 19": lambda d: fields(d)["kind"].update(maxLength=19),
    "note: pattern is ^A": lambda d: fields(d)["note"].update(pattern="^A"),
    "note: string is refused": lambda d: fields(d)["note"].update(type="number"),
    "lost: x-from without $.LossDt": lambda d: fields(d)["lost"].update({"x-from": ["/loss/date"]}),
    "lost: x-from prefers $.LossDt": lambda d: fields(d)["lost"]["x-from"].reverse(),
    "lost: x-read: dates as %Y-%m-%d, were %d/%m/%Y": lambda d: fields(d)["lost"]["x-read"].update(
        date="%Y-%m-%d"
    ),
    "amount: x-read: removed": lambda d: fields(d)["amount"].pop("x-read"),
    "amount: x-read: thousands without ,": lambda d: fields(d)["amount"]["x-read"].update(
        thousands=" "
    ),
    'amount: x-read: sign is "drop", was "keep"': lambda d: fields(d)["amount"]["x-read"].update(
        sign="drop"
    ),
    "police: x-read: true without J": lambda d: fields(d)["police"]["x-read"].update(true=["Y"]),
    "kind: x-read: table without, or with another value for, a": lambda d: fields(d)["kind"][
        "x-read"
    ]["table"].update(a="c"),
    "kind: x-read: otherwise is refuse, was keep": lambda d: fields(d)["kind"]["x-read"].pop(
        "otherwise"
    ),
    "note: x-read: only the words of a table": lambda d: fields(d)["note"].update(
        {"x-read": {"table": {"a": "b"}}}
    ),
}


@pytest.mark.parametrize("expected", NARROWER)
def test_what_would_refuse_claims_is_listed(expected: str) -> None:
    assert changed(NARROWER[expected])[0] == expected


GROWTH: dict[str, Callable[[Document], object]] = {
    "nothing": lambda d: None,
    "a new optional field": lambda d: fields(d).update(
        colour={"type": "string", "x-role": "feature"}
    ),
    "wider bounds": lambda d: fields(d)["amount"].update(maximum=2000, minimum=-1),
    "no bounds": lambda d: [fields(d)["amount"].pop(k) for k in ("maximum", "multipleOf")],
    "no longer required": lambda d: d["required"].remove("amount"),
    "a further place": lambda d: fields(d)["lost"]["x-from"].append("lost_on"),
    "a place before the others": lambda d: fields(d)["lost"]["x-from"].insert(0, "lost_on"),
    "a further form": lambda d: fields(d)["lost"]["x-read"].update(date=["%d/%m/%Y", "%Y-%m-%d"]),
    "a further word": lambda d: fields(d)["police"]["x-read"].update(true=["Y", "J", "1"]),
    "a further row": lambda d: fields(d)["kind"]["x-read"]["table"].update(c="d"),
    "words for a field without": lambda d: fields(d)["note"].update({"x-read": {}}),
    "another text": lambda d: fields(d)["note"].update({"x-text": "note: {}"}),
    "another description": lambda d: d.update(description="Claims."),
}


@pytest.mark.parametrize("growth", GROWTH)
def test_growth_is_not_listed(growth: str) -> None:
    assert changed(GROWTH[growth]) == []


@pytest.mark.parametrize("name", ["auto", "health", "property", "carclaims"])
def test_a_contract_takes_what_it_takes(name: str) -> None:
    assert narrowing(shipped(name), shipped(name)) == ()


def test_another_line_of_business_is_told_by_name() -> None:
    found = narrowing(shipped("auto"), shipped("health"))
    assert "x-contract: name is health, was auto" in found
    assert "policy_number: removed" in found
