"""The ``carclaims`` format: fraud_oracle.csv, 15,420 auto claims from 1994-96.

The file contains bands and parts of dates; a claim contains numbers and dates. A closed band
becomes its midpoint, an open one a value beyond its bound, as listed in the tables below.

Omitted columns, and why:
``NumberOfSuppliments`` is not known at first notice; ``PolicyType`` repeats ``VehicleCategory``
and ``BasePolicy``.

The date of the loss is known as year, month, week of the month and weekday. Days 1-7 are read as
week 1, 8-14 as week 2 and so on, which fits 94 % of the rows exactly; where week 5 has no such
weekday, the last one of the month is taken. The report's year is not given: it is the first in
which the report's month is not before the loss's. A report that would fall up to a week before its
loss in the same week is moved to the same weekday after the loss.
"""

import calendar
import datetime as dt
from typing import Final

from model.datasets.rows import (
    Labelled,
    PlainFields,
    RowError,
    SourceRow,
    cell,
    choice,
    label,
    to_claim,
    whole,
)

_MONTHS: Final = {name: n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS: Final = {name: n for n, name in enumerate(calendar.day_name)}
_UNKNOWN: Final = "0"
"""The file's marker for an unknown age, month of report or weekday of report."""

_YES_NO: Final = {"Yes": True, "No": False}
_DAYS: Final = {"none": 0, "1 to 7": 4, "8 to 15": 11.5, "15 to 30": 22.5, "more than 30": 45}
_PRICE: Final = {
    "less than 20000": 15_000,
    "20000 to 29000": 24_500,
    "30000 to 39000": 34_500,
    "40000 to 59000": 49_500,
    "60000 to 69000": 64_500,
    "more than 69000": 80_000,
}
_PAST_CLAIMS: Final = {"none": 0, "1": 1, "2 to 4": 3, "more than 4": 6}
_VEHICLE_AGE: Final = {"new": 0, **{f"{n} years": n for n in range(2, 8)}, "more than 7": 9}
_HOLDER_AGE: Final = {
    "16 to 17": 16.5,
    "18 to 20": 19,
    "21 to 25": 23,
    "26 to 30": 28,
    "31 to 35": 33,
    "36 to 40": 38,
    "41 to 50": 45.5,
    "51 to 65": 58,
    "over 65": 70,
}
_ADDRESS_CHANGE: Final = {
    "no change": None,
    "under 6 months": 0.5,
    "1 year": 1,
    "2 to 3 years": 2.5,
    "4 to 8 years": 6,
}
_VEHICLES: Final = {
    "1 vehicle": 1,
    "2 vehicles": 2,
    "3 to 4": 3.5,
    "5 to 8": 6.5,
    "more than 8": 10,
}
_MAKES: Final = {
    "Accura": "Acura",
    "Mecedes": "Mercedes",
    "Nisson": "Nissan",
    "Porche": "Porsche",
    "VW": "Volkswagen",
}
_FAULT: Final = {"Policy Holder": "policyholder", "Third Party": "third party"}
_MARITAL: Final = {
    "Married": "married",
    "Single": "single",
    "Divorced": "divorced",
    "Widow": "widowed",
}

COLUMNS: Final = (
    *("Year", "Month", "WeekOfMonth", "DayOfWeek"),
    *("MonthClaimed", "WeekOfMonthClaimed", "DayOfWeekClaimed"),
    *("Make", "AccidentArea", "Sex", "MaritalStatus", "Age", "Fault", "VehicleCategory"),
    *("VehiclePrice", "PolicyNumber", "RepNumber", "Deductible", "DriverRating"),
    *("Days_Policy_Accident", "Days_Policy_Claim", "PastNumberOfClaims", "AgeOfVehicle"),
    *("AgeOfPolicyHolder", "PoliceReportFiled", "WitnessPresent", "AgentType"),
    *("AddressChange_Claim", "NumberOfCars", "BasePolicy", "FraudFound_P"),
)
ALIASES: Final = {"FraudFound_P": "FraudFound"}
"""Alternative column names in copies of the file, by the name used here."""


def read(row: SourceRow, number: int) -> Labelled:
    """The labelled claim of row ``number``, counted from 1.

    Raises:
        RowError: a cell does not contain a valid value for its column.
    """
    fields = {"claim_id": f"carclaims-{number:06}"} | _loss(row) | _policy(row) | _people(row)
    return Labelled(to_claim(fields), label(row, "FraudFound_P"))


def _loss(row: SourceRow) -> PlainFields:
    lost = _loss_date(row)
    return {
        "loss_date": lost,
        "report_date": _report_date(row, lost),
        "loss_area": cell(row, "AccidentArea").lower(),
        "fault": choice(row, "Fault", _FAULT),
        "police_report_filed": choice(row, "PoliceReportFiled", _YES_NO),
        "witnesses": int(choice(row, "WitnessPresent", _YES_NO)),
        "vehicle_make": _MAKES.get(cell(row, "Make"), cell(row, "Make")),
        "vehicle_category": cell(row, "VehicleCategory").lower(),
        "vehicle_price": choice(row, "VehiclePrice", _PRICE),
        "vehicle_age_years": choice(row, "AgeOfVehicle", _VEHICLE_AGE),
    }


def _policy(row: SourceRow) -> PlainFields:
    return {
        "policy_number": cell(row, "PolicyNumber"),
        "representative_id": cell(row, "RepNumber"),
        "policy_type": cell(row, "BasePolicy").lower(),
        "deductible": whole(row, "Deductible"),
        "agent_type": cell(row, "AgentType").lower(),
        "policy_age_days": choice(row, "Days_Policy_Accident", _DAYS),
        "policy_age_at_report_days": choice(row, "Days_Policy_Claim", _DAYS),
        "past_claims": choice(row, "PastNumberOfClaims", _PAST_CLAIMS),
        "years_since_address_change": choice(row, "AddressChange_Claim", _ADDRESS_CHANGE),
        "driver_rating": whole(row, "DriverRating"),
        "vehicles_insured": choice(row, "NumberOfCars", _VEHICLES),
    }


def _people(row: SourceRow) -> PlainFields:
    # Every driver of unknown age has a policyholder of "16 to 17", and nobody else does:
    # the band was derived from the unknown age.
    known = cell(row, "Age") != _UNKNOWN
    return {
        "driver_age": whole(row, "Age") if known else None,
        "policyholder_age": choice(row, "AgeOfPolicyHolder", _HOLDER_AGE) if known else None,
        "policyholder_sex": cell(row, "Sex").lower(),
        "marital_status": choice(row, "MaritalStatus", _MARITAL),
    }


def _loss_date(row: SourceRow) -> dt.date:
    year = whole(row, "Year")
    if not dt.MINYEAR < year < dt.MAXYEAR:
        raise RowError(f"column Year: {year} is not a valid year")
    weekday = choice(row, "DayOfWeek", _WEEKDAYS)
    return _date(year, choice(row, "Month", _MONTHS), _week(row, "WeekOfMonth"), weekday)


def _report_date(row: SourceRow, lost: dt.date) -> dt.date | None:
    if _UNKNOWN in (cell(row, "MonthClaimed"), cell(row, "DayOfWeekClaimed")):
        return None
    month = choice(row, "MonthClaimed", _MONTHS)
    reported = _date(
        lost.year + (month < lost.month),
        month,
        _week(row, "WeekOfMonthClaimed"),
        choice(row, "DayOfWeekClaimed", _WEEKDAYS),
    )
    while reported < lost:
        reported += dt.timedelta(days=7)
    return reported


def _week(row: SourceRow, column: str) -> int:
    week = whole(row, column)
    if not 1 <= week <= 5:
        raise RowError(f"column {column}: {week} is not a week of a month")
    return week


def _date(year: int, month: int, week: int, weekday: int) -> dt.date:
    first, last = calendar.monthrange(year, month)
    day = (weekday - first) % 7 + 1 + 7 * (week - 1)
    return dt.date(year, month, day if day <= last else day - 7)
