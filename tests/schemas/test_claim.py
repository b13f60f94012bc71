"""Roles, units and descriptions of a claim's fields."""

import pytest

from schemas.alert import FraudAlert
from schemas.claim import Claim, Role, field_schemas, fields_by_role, is_categorical, role_of

FIELDS = Claim.__struct_fields__


def branches(name: str) -> list[dict[str, object]]:
    schema = field_schemas()[name]
    return [b for b in schema.get("anyOf", [schema]) if b.get("type") != "null"]


def test_every_field_has_one_type_a_role_and_a_description() -> None:
    assert tuple(field_schemas()) == FIELDS
    for name in FIELDS:
        (branch,) = branches(name)
        assert branch["description"], name
        assert branch["x-role"] in set(Role), name


def test_every_number_and_text_is_bounded() -> None:
    for name in FIELDS:
        (branch,) = branches(name)
        if branch["type"] in {"number", "integer"}:
            assert {"minimum", "maximum"} <= branch.keys(), name
        elif branch["type"] == "string" and "format" not in branch:
            assert "maxLength" in branch, name


def test_amounts_and_durations_have_a_unit() -> None:
    units = {name: branches(name)[0].get("x-unit") for name in FIELDS}
    for name in FIELDS:
        if name.endswith("_amount"):
            assert units[name] == "currency", name
    assert units["policy_age_days"] == "days"
    assert units["customer_months"] == "months"
    assert units["vehicle_age_years"] == "years"


def test_roles_divide_the_fields() -> None:
    by_role = [name for role in Role for name in fields_by_role(role)]
    assert sorted(by_role) == sorted(FIELDS)
    assert role_of("claim_id") is Role.IDENTIFIER
    assert role_of("loss_date") is Role.TIME
    assert {"driver_age", "policyholder_sex", "marital_status"} <= set(
        fields_by_role(Role.PROTECTED)
    )
    assert {"claimant_name", "loss_description"} <= set(fields_by_role(Role.PERSONAL))


def test_role_of_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="shoe_size"):
        role_of("shoe_size")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vehicle_make", True), ("loss_date", False), ("claim_amount", False), ("witnesses", False)],
)
def test_is_categorical(name: str, *, expected: bool) -> None:
    assert is_categorical(name) is expected


def test_an_alert_has_no_field_of_a_personal_or_protected_kind() -> None:
    private = {*fields_by_role(Role.PERSONAL), *fields_by_role(Role.PROTECTED)}
    assert private.isdisjoint(FraudAlert.__struct_fields__)
