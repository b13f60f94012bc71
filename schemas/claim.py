"""Claim v1: one auto first notice of loss (FNOL), as claim intake reports it.

Only ``claim_id`` is required: at first notice most facts may still be unknown, and unknown
is written as ``null`` or left out, never as a magic number. A reader ignores fields it does not
know, accepts categories it has never seen, and refuses wrong types and out-of-range values.
"""

import datetime as dt
import enum
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

SCHEMA_VERSION: Final = 1


class Role(enum.StrEnum):
    """What a field may be used for."""

    IDENTIFIER = "identifier"
    """Names a thing; never a model feature."""
    TIME = "time"
    """A date; only differences of dates become features."""
    FEATURE = "feature"
    """May be used by the model."""
    PROTECTED = "protected"
    """Never a feature by default; used to report on fairness."""
    PERSONAL = "personal"
    """Never a feature by default; never leaves in an alert, a log or a metric."""


WITHHELD: Final = frozenset({Role.PERSONAL, Role.PROTECTED})
"""Roles of fields whose values are not shown."""


def _role(role: Role, unit: str | None = None) -> Meta:
    extra: dict[str, Any] = {"x-role": role.value}
    if unit is not None:
        extra["x-unit"] = unit
    return Meta(extra_json_schema=extra)


def _entity(kind: str, form: str) -> Meta:
    """That the field names a person or a thing; see `schemas.entities.declared`."""
    return Meta(extra_json_schema={"x-entity": {"kind": kind, "form": form}})


IDENTIFIER: Final = _role(Role.IDENTIFIER)
TIME: Final = _role(Role.TIME)
FEATURE: Final = _role(Role.FEATURE)
PROTECTED: Final = _role(Role.PROTECTED)
PERSONAL: Final = _role(Role.PERSONAL)
AMOUNT: Final = _role(Role.FEATURE, "currency")
DAYS: Final = _role(Role.FEATURE, "days")
MONTHS: Final = _role(Role.FEATURE, "months")
YEARS: Final = _role(Role.FEATURE, "years")

MAX_TEXT: Final = 200
MAX_NARRATIVE: Final = 20_000
MAX_AMOUNT: Final = 1e9

Identity = Annotated[str, Meta(min_length=1, max_length=128), IDENTIFIER]
Category = Annotated[str, Meta(max_length=MAX_TEXT), FEATURE]
Flag = Annotated[bool, FEATURE]
Amount = Annotated[float, Meta(ge=0, le=MAX_AMOUNT), AMOUNT]
# Whole numbers are floats without a fraction: 2.0 is what many programs write for a count that
# may be missing, and JSON Schema calls it an integer too.
Count = Annotated[float, Meta(ge=0, le=1_000, multiple_of=1), FEATURE]
ProtectedCategory = Annotated[str, Meta(max_length=MAX_TEXT), PROTECTED]
ProtectedAge = Annotated[float, Meta(ge=0, le=130), PROTECTED]
PersonalText = Annotated[str, Meta(max_length=MAX_TEXT), PERSONAL]


class Claim(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An auto first notice of loss, version 1."""

    claim_id: Annotated[Identity, Meta(description="Unique id of the claim.")]
    policy_number: (
        Annotated[
            Identity, Meta(description="Policy the claim is made under."), _entity("policy", "code")
        ]
        | None
    ) = None
    representative_id: (
        Annotated[Identity, Meta(description="Representative who took the report.")] | None
    ) = None

    loss_date: Annotated[dt.date, Meta(description="Day of the loss."), TIME] | None = None
    report_date: Annotated[dt.date, Meta(description="Day the loss was reported."), TIME] | None = (
        None
    )
    policy_start_date: (
        Annotated[dt.date, Meta(description="First day the policy covers."), TIME] | None
    ) = None
    policy_end_date: (
        Annotated[dt.date, Meta(description="Last day the policy covers."), TIME] | None
    ) = None

    loss_hour: (
        Annotated[
            float,
            Meta(ge=0, le=23, multiple_of=1, description="Hour of the loss, local time."),
            FEATURE,
        ]
        | None
    ) = None
    loss_area: Annotated[Category, Meta(description="Kind of area: urban, rural.")] | None = None
    loss_state: Annotated[Category, Meta(description="State or region of the loss.")] | None = None
    loss_city: Annotated[Category, Meta(description="City of the loss.")] | None = None
    incident_type: Annotated[Category, Meta(description="Collision, theft, parked, …")] | None = (
        None
    )
    collision_type: Annotated[Category, Meta(description="Front, rear, side.")] | None = None
    incident_severity: Annotated[Category, Meta(description="Damage as first reported.")] | None = (
        None
    )
    fault: Annotated[Category, Meta(description="Party at fault as reported.")] | None = None
    authorities_contacted: (
        Annotated[Category, Meta(description="Authority called to the scene.")] | None
    ) = None
    police_report_filed: Annotated[Flag, Meta(description="A police report exists.")] | None = None
    witnesses: Annotated[Count, Meta(description="Number of witnesses named.")] | None = None
    vehicles_involved: Annotated[Count, Meta(description="Number of vehicles involved.")] | None = (
        None
    )
    bodily_injuries: Annotated[Count, Meta(description="Number of persons injured.")] | None = None
    property_damage: (
        Annotated[Flag, Meta(description="Property other than vehicles was damaged.")] | None
    ) = None

    claim_amount: Annotated[Amount, Meta(description="Total amount claimed.")] | None = None
    injury_amount: Annotated[Amount, Meta(description="Amount claimed for injuries.")] | None = None
    property_amount: Annotated[Amount, Meta(description="Amount claimed for property.")] | None = (
        None
    )
    vehicle_amount: (
        Annotated[Amount, Meta(description="Amount claimed for the insured vehicle.")] | None
    ) = None

    policy_type: (
        Annotated[Category, Meta(description="Base cover: liability, collision, all perils.")]
        | None
    ) = None
    policy_state: (
        Annotated[Category, Meta(description="State the policy was issued in.")] | None
    ) = None
    liability_limit: (
        Annotated[Category, Meta(description="Combined single limit, as written: 250/500.")] | None
    ) = None
    deductible: Annotated[Amount, Meta(description="Deductible of the policy.")] | None = None
    annual_premium: Annotated[Amount, Meta(description="Premium a year.")] | None = None
    umbrella_limit: Annotated[Amount, Meta(description="Umbrella limit, 0 when none.")] | None = (
        None
    )
    agent_type: (
        Annotated[Category, Meta(description="Selling agent: internal, external.")] | None
    ) = None
    policy_age_days: (
        Annotated[
            float,
            Meta(ge=-36_500, le=36_500, description="Age of the policy at the loss."),
            DAYS,
        ]
        | None
    ) = None
    policy_age_at_report_days: (
        Annotated[
            float,
            Meta(ge=-36_500, le=36_500, description="Age of the policy at the report."),
            DAYS,
        ]
        | None
    ) = None
    customer_months: (
        Annotated[float, Meta(ge=0, le=1_500, description="Time as a customer."), MONTHS] | None
    ) = None
    past_claims: Annotated[float, Meta(ge=0, le=1_000, description="Earlier claims."), FEATURE] | (
        None
    ) = None
    years_since_address_change: (
        Annotated[
            float,
            Meta(ge=0, le=120, description="Since the last change of address; null when none."),
            YEARS,
        ]
        | None
    ) = None
    driver_rating: (
        Annotated[
            float,
            Meta(ge=1, le=10, multiple_of=1, description="Insurer's rating of the driver."),
            FEATURE,
        ]
        | None
    ) = None
    vehicles_insured: (
        Annotated[float, Meta(ge=0, le=1_000, description="Vehicles on the policy."), FEATURE]
        | None
    ) = None

    vehicle_make: Annotated[Category, Meta(description="Make of the insured vehicle.")] | None = (
        None
    )
    vehicle_model: Annotated[Category, Meta(description="Model of the insured vehicle.")] | None = (
        None
    )
    vehicle_category: Annotated[Category, Meta(description="Sedan, sport, utility, …")] | None = (
        None
    )
    vehicle_year: (
        Annotated[float, Meta(ge=1886, le=2100, multiple_of=1, description="Model year."), FEATURE]
        | None
    ) = None
    vehicle_age_years: (
        Annotated[float, Meta(ge=0, le=140, description="Age of the vehicle."), YEARS] | None
    ) = None
    vehicle_price: Annotated[Amount, Meta(description="Price of the vehicle when new.")] | None = (
        None
    )

    driver_age: Annotated[ProtectedAge, Meta(description="Age of the driver, years.")] | None = None
    policyholder_age: (
        Annotated[ProtectedAge, Meta(description="Age of the policyholder, years.")] | None
    ) = None
    policyholder_sex: (
        Annotated[ProtectedCategory, Meta(description="Sex of the policyholder.")] | None
    ) = None
    marital_status: (
        Annotated[ProtectedCategory, Meta(description="Marital status of the policyholder.")] | None
    ) = None

    claimant_name: Annotated[PersonalText, Meta(description="Name of the claimant.")] | None = None
    claimant_phone: (
        Annotated[PersonalText, Meta(description="Telephone number."), _entity("phone", "phone")]
        | None
    ) = None
    claimant_email: (
        Annotated[PersonalText, Meta(description="E-mail address."), _entity("email", "email")]
        | None
    ) = None
    postal_code: Annotated[PersonalText, Meta(description="Postal code of the insured.")] | None = (
        None
    )
    loss_location: Annotated[PersonalText, Meta(description="Address of the loss.")] | None = None
    loss_description: (
        Annotated[str, Meta(max_length=MAX_NARRATIVE, description="Narrative."), PERSONAL] | None
    ) = None
    education: Annotated[PersonalText, Meta(description="Education of the insured.")] | None = None
    occupation: Annotated[PersonalText, Meta(description="Occupation of the insured.")] | None = (
        None
    )
    hobbies: Annotated[PersonalText, Meta(description="Hobbies of the insured.")] | None = None
    household_relationship: (
        Annotated[ProtectedCategory, Meta(description="Relationship in the household.")] | None
    ) = None
    capital_gains: (
        Annotated[float, Meta(ge=0, le=MAX_AMOUNT, description="Capital gains."), PERSONAL] | None
    ) = None
    capital_losses: (
        Annotated[float, Meta(ge=0, le=MAX_AMOUNT, description="Capital losses."), PERSONAL] | None
    ) = None


@cache
def field_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every field of `Claim`, by name, in order of declaration."""
    (_,), components = msgspec.json.schema_components([Claim])
    properties: dict[str, dict[str, Any]] = components["Claim"]["properties"]
    return properties


@cache
def _annotations() -> dict[str, dict[str, Any]]:
    """Role, unit and kind of every field: the non-null branch of its schema."""
    found = {}
    for name, schema in field_schemas().items():
        branches = schema.get("anyOf", [schema])
        found[name] = next(b for b in branches if b.get("type") != "null")
    return found


@cache
def fields_by_role(role: Role) -> tuple[str, ...]:
    """Names of the fields that have this role, in order of declaration."""
    return tuple(n for n, s in _annotations().items() if s["x-role"] == role.value)


def role_of(name: str) -> Role:
    """Role of the field.

    Raises:
        KeyError: `Claim` has no such field.
    """
    return Role(_annotations()[name]["x-role"])


def is_categorical(name: str) -> bool:
    """True if the field contains text (a category) rather than a number, a flag or a date."""
    schema = _annotations()[name]
    return schema["type"] == "string" and "format" not in schema
