"""The ``insurance_claims`` format: insurance_claims.csv, 1,000 auto claims from early 2015.

``?`` marks missing values. One ``umbrella_limit`` of -1000000 is a sign error whose true value
is unknown: it is read as missing. ``capital-loss`` is negative in the file and positive in a
claim. The report's date is not given. Copies of the file use different date formats: see
`model.datasets.day_order`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from model.datasets.day_order import Dates, dates_of
from model.datasets.rows import (
    Labelled,
    PlainFields,
    SourceRow,
    cell,
    choice,
    label,
    number,
    to_claim,
    whole,
)

_MISSING: Final = ("?", "")
_DATES: Final = ("incident_date", "policy_bind_date")
_MAKES: Final = {"Accura": "Acura", "Suburu": "Subaru"}
_MODELS: Final = {"Forrestor": "Forester", "Ultima": "Altima"}

COLUMNS: Final = (
    *("months_as_customer", "age", "policy_number", "policy_bind_date", "policy_state"),
    *("policy_csl", "policy_deductable", "policy_annual_premium", "umbrella_limit"),
    *("insured_zip", "insured_sex", "insured_education_level", "insured_occupation"),
    *("insured_hobbies", "insured_relationship", "capital-gains", "capital-loss"),
    *("incident_date", "incident_type", "collision_type", "incident_severity"),
    *("authorities_contacted", "incident_state", "incident_city", "incident_location"),
    *("incident_hour_of_the_day", "number_of_vehicles_involved", "property_damage"),
    *("bodily_injuries", "witnesses", "police_report_available", "total_claim_amount"),
    *("injury_claim", "property_claim", "vehicle_claim", "auto_make", "auto_model"),
    *("auto_year", "fraud_reported"),
)


def reader(rows: Sequence[SourceRow]) -> Callable[[SourceRow, int], Labelled]:
    """A function that reads one of these rows.

    It gets the row and its number, counted from 1, and raises a RowError if a cell does not contain
    a valid value for its column.
    """
    dates = dates_of(rows, _DATES)

    def read(row: SourceRow, line: int) -> Labelled:
        fields: PlainFields = {"claim_id": f"insurance-claims-{line:06}"}
        for part in (_loss(dates), _amounts, _policy(dates), _vehicle, _people):
            fields |= part(row)
        return Labelled(to_claim(fields), label(row, "fraud_reported"))

    return read


def _loss(dates: Dates) -> Callable[[SourceRow], PlainFields]:
    return lambda row: {
        "loss_date": dates.read(row, "incident_date"),
        "loss_hour": whole(row, "incident_hour_of_the_day"),
        "loss_state": _text(row, "incident_state"),
        "loss_city": _text(row, "incident_city"),
        "loss_location": _text(row, "incident_location"),
        "incident_type": _lower(row, "incident_type"),
        "collision_type": _lower(row, "collision_type"),
        "incident_severity": _lower(row, "incident_severity"),
        "authorities_contacted": _lower(row, "authorities_contacted"),
        "police_report_filed": _flag(row, "police_report_available"),
        "property_damage": _flag(row, "property_damage"),
        "witnesses": whole(row, "witnesses"),
        "vehicles_involved": whole(row, "number_of_vehicles_involved"),
        "bodily_injuries": whole(row, "bodily_injuries"),
    }


def _amounts(row: SourceRow) -> PlainFields:
    return {
        "claim_amount": number(row, "total_claim_amount"),
        "injury_amount": number(row, "injury_claim"),
        "property_amount": number(row, "property_claim"),
        "vehicle_amount": number(row, "vehicle_claim"),
    }


def _policy(dates: Dates) -> Callable[[SourceRow], PlainFields]:
    return lambda row: {
        "policy_number": cell(row, "policy_number"),
        "policy_start_date": dates.read(row, "policy_bind_date"),
        "policy_state": _text(row, "policy_state"),
        "liability_limit": _text(row, "policy_csl"),
        "deductible": number(row, "policy_deductable"),
        "annual_premium": number(row, "policy_annual_premium"),
        "umbrella_limit": _not_negative(number(row, "umbrella_limit")),
        "customer_months": whole(row, "months_as_customer"),
    }


def _vehicle(row: SourceRow) -> PlainFields:
    make, model = cell(row, "auto_make"), cell(row, "auto_model")
    return {
        "vehicle_make": _MAKES.get(make, make),
        "vehicle_model": _MODELS.get(model, model),
        "vehicle_year": whole(row, "auto_year"),
    }


def _people(row: SourceRow) -> PlainFields:
    return {
        "policyholder_age": whole(row, "age"),
        "policyholder_sex": _lower(row, "insured_sex"),
        "postal_code": _text(row, "insured_zip"),
        "education": _text(row, "insured_education_level"),
        "occupation": _text(row, "insured_occupation"),
        "hobbies": _text(row, "insured_hobbies"),
        "household_relationship": _text(row, "insured_relationship"),
        "capital_gains": number(row, "capital-gains"),
        "capital_losses": abs(number(row, "capital-loss")),
    }


def _text(row: SourceRow, column: str) -> str | None:
    text = cell(row, column)
    return None if text in _MISSING else text


def _not_negative(value: float) -> float | None:
    return value if value >= 0 else None


def _lower(row: SourceRow, column: str) -> str | None:
    text = _text(row, column)
    return None if text is None else text.lower()


def _flag(row: SourceRow, column: str) -> bool | None:
    return choice(row, column, {"YES": True, "NO": False} | dict.fromkeys(_MISSING))
