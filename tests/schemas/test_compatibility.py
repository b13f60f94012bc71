"""The contracts keep what the last release promised, and a break would be seen."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.compatibility import breaking
from schemas.export import RELEASED, contracts

Document = dict[str, Any]

WRITTEN = {"fraud-alert.json", "dead-letter.json"}


def released(name: str) -> Document:
    document: Document = json.loads((RELEASED / name).read_bytes())
    return document


@pytest.mark.parametrize("name", sorted(contracts()))
def test_current_contracts_keep_what_was_released(name: str) -> None:
    current = json.loads(contracts()[name])
    assert breaking(released(name), current, written=name in WRITTEN) == []


def changed(name: str, change: Callable[[Document], object]) -> list[str]:
    """Findings when the released document is compared with a changed copy of it."""
    current = copy.deepcopy(released(name))
    change(current)
    return breaking(released(name), current, written=name in WRITTEN)


def replacing(field: str, *schemas: Document) -> Callable[[Document], object]:
    """A change that takes a field away and puts another schema in its place, if there is one."""

    def change(document: Document) -> None:
        del document["properties"][field]
        document["properties"].update((field, schema) for schema in schemas)

    return change


def optional(document: Document, field: str) -> Document:
    """The branch of an optional field that is not null."""
    branch: Document = document["properties"][field]["anyOf"][0]
    return branch


@pytest.mark.parametrize("name", sorted(contracts()))
def test_removing_any_field_breaks(name: str) -> None:
    for field in released(name)["properties"]:
        found = changed(name, replacing(field))
        assert f"$.{field}: removed" in found


@pytest.mark.parametrize("name", sorted(contracts()))
def test_changing_the_type_of_any_field_breaks(name: str) -> None:
    for field in released(name)["properties"]:
        found = changed(name, replacing(field, {"type": "x"}))
        assert any(text.startswith(f"$.{field}: ") for text in found), field


CLAIM_BREAKS: dict[str, Callable[[Document], object]] = {
    "$.policy_number: required": lambda d: d["required"].append("policy_number"),
    "$.claim_amount: maximum is 1000000": lambda d: optional(d, "claim_amount").update(maximum=1e6),
    "$.claim_amount: minimum is 1": lambda d: optional(d, "claim_amount").update(minimum=1),
    "$.claim_amount: x-unit is cents": lambda d: optional(d, "claim_amount").update(
        {"x-unit": "cents"}
    ),
    "$.loss_hour: null is refused": lambda d: d["properties"]["loss_hour"]["anyOf"].pop(),
    "$.past_claims: number is refused": lambda d: optional(d, "past_claims").update(type="integer"),
    "$.past_claims: multipleOf is 1": lambda d: optional(d, "past_claims").update(multipleOf=1),
    "$.vehicle_make: maxLength is 20": lambda d: optional(d, "vehicle_make").update(maxLength=20),
    "$.vehicle_make: only Honda": lambda d: optional(d, "vehicle_make").update(enum=["Honda"]),
    "$.claim_id: pattern is ^C": lambda d: d["properties"]["claim_id"].update(pattern="^C"),
    "$.loss_date: format is date-time": lambda d: optional(d, "loss_date").update(
        format="date-time"
    ),
}


@pytest.mark.parametrize("expected", CLAIM_BREAKS)
def test_what_breaks_senders_of_claims(expected: str) -> None:
    found = changed("claim.json", CLAIM_BREAKS[expected])
    assert [text.replace("1000000.0", "1000000") for text in found] == [expected]


CLAIM_GROWTH: dict[str, Callable[[Document], object]] = {
    "new optional field": lambda d: d["properties"].update(telematics_score={"type": "number"}),
    "wider bound": lambda d: optional(d, "claim_amount").update(maximum=1e12),
    "no bound": lambda d: optional(d, "vehicle_make").pop("maxLength"),
    "no longer whole numbers": lambda d: optional(d, "witnesses").pop("multipleOf"),
    "no longer required": lambda d: d["required"].remove("claim_id"),
    "another description": lambda d: d["properties"]["claim_id"].update(description="An id."),
}


@pytest.mark.parametrize("growth", CLAIM_GROWTH)
def test_what_does_not_break_senders_of_claims(growth: str) -> None:
    assert changed("claim.json", CLAIM_GROWTH[growth]) == []


ALERT_BREAKS: dict[str, Callable[[Document], object]] = {
    "$.fraud_probability: maximum is 1 (for old readers)": lambda d: d["properties"][
        "fraud_probability"
    ].update(maximum=100),
    "$.claim_id: required (for old readers)": lambda d: d["required"].remove("claim_id"),
    "$.band: required": lambda d: d["required"].append("band"),
    "$.decision: only pass, refer, review (for old readers)": lambda d: d["$defs"]["Decision"][
        "enum"
    ].append("deny"),
    "$.source.offset: removed": lambda d: d["$defs"]["Source"]["properties"].pop("offset"),
    "$.reasons[].contribution: number is refused": lambda d: d["$defs"]["ReasonItem"]["properties"][
        "contribution"
    ].update(type="string"),
}


@pytest.mark.parametrize("expected", ALERT_BREAKS)
def test_what_breaks_readers_of_alerts(expected: str) -> None:
    assert expected in changed("fraud-alert.json", ALERT_BREAKS[expected])


OUTCOME_GROWTH: dict[str, Callable[[Document], object]] = {
    "another finding": lambda d: d["$defs"]["Finding"]["enum"].append("inconclusive"),
    "a time that may be missing": lambda d: d["required"].remove("decided_at"),
    "new optional field": lambda d: d["properties"].update(amount_saved={"type": "number"}),
}


@pytest.mark.parametrize("growth", OUTCOME_GROWTH)
def test_what_does_not_break_senders_of_outcomes(growth: str) -> None:
    assert changed("fraud-outcome.json", OUTCOME_GROWTH[growth]) == []


OUTCOME_BREAKS: dict[str, Callable[[Document], object]] = {
    "$.outcome: only fraud": lambda d: d["$defs"]["Finding"]["enum"].remove("not_fraud"),
    "$.alert_id: required": lambda d: d["required"].append("alert_id"),
}


@pytest.mark.parametrize("expected", OUTCOME_BREAKS)
def test_what_breaks_senders_of_outcomes(expected: str) -> None:
    assert changed("fraud-outcome.json", OUTCOME_BREAKS[expected]) == [expected]


def test_an_alert_may_say_more_of_its_claim() -> None:
    old, new = released("fraud-alert.json"), json.loads(contracts()["fraud-alert.json"])
    assert "control" not in old["properties"]
    assert new["properties"]["control"]["default"] is False
    assert breaking(old, new, written=True) == []


def test_an_integer_may_become_a_number() -> None:
    old = {"properties": {"n": {"type": "integer", "minimum": 0}}}
    new = {"properties": {"n": {"type": "number", "minimum": 0}}}
    assert breaking(old, new, written=False) == []
    assert breaking(old, new, written=True) == ["$.n: number is refused (for old readers)"]


def test_a_new_optional_field_does_not_break_readers_of_alerts() -> None:
    new = {"type": "string", "default": ""}
    assert changed("fraud-alert.json", lambda d: d["properties"].update(queue=new)) == []
