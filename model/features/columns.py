"""The only path from claims to model columns: fields as they are, and columns derived from them.

Nothing here exposes the calendar month or year of a claim: dates become features only as
differences between dates and as days of the week.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.arrays import Numbers
from schemas.claim import Claim, Role, fields_by_role, is_categorical, role_of

Column = list[Any] | Numbers
Columns = Mapping[str, Column]

DAYS_PER_YEAR: Final = 365.25
_NAN: Final = float("nan")


class Fields:
    """Columns of single fields of the same claims, each read at most once."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = claims
        self._read: dict[str, list[Any]] = {}
        self._days: dict[str, Numbers] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def raw(self, name: str) -> list[Any]:
        """Values as stored in the claims; None is missing."""
        if name not in self._read:
            self._read[name] = list(map(operator.attrgetter(name), self._claims))
        return self._read[name]

    def number(self, name: str) -> Numbers:
        """Values as floats; NaN is missing."""
        return np.array(self.raw(name), dtype=np.float64)

    def day(self, name: str) -> Numbers:
        """Dates as days since the year 1 (proleptic Gregorian ordinals); NaN is missing."""
        if name not in self._days:
            days = [_NAN if d is None else d.toordinal() for d in self.raw(name)]
            self._days[name] = np.array(days, dtype=np.float64)
        return self._days[name]


def _days_between(later: str, earlier: str) -> Callable[[Fields], Numbers]:
    return lambda fields: fields.day(later) - fields.day(earlier)


def _weekday(name: str) -> Callable[[Fields], Numbers]:
    return lambda fields: (fields.day(name) + 6) % 7


def _weekend(name: str) -> Callable[[Fields], Numbers]:
    def compute(fields: Fields) -> Numbers:
        day = (fields.day(name) + 6) % 7
        return np.where(np.isnan(day), day, day >= 5)

    return compute


def _or_else(name: str, fallback: Callable[[Fields], Numbers]) -> Callable[[Fields], Numbers]:
    """The field if the claim states it, otherwise the value derived from other fields."""

    def compute(fields: Fields) -> Numbers:
        stated = fields.number(name)
        unstated = np.isnan(stated)
        return np.where(unstated, fallback(fields), stated) if unstated.any() else stated

    return compute


def _years_since_built(fields: Fields) -> Numbers:
    # A difference of years, as if built on 1 January of the model year: only whole years count.
    lost = fields.raw("loss_date")
    year = np.array([_NAN if d is None else d.year for d in lost], dtype=np.float64)
    return np.maximum(year - fields.number("vehicle_year"), 0.0)


DERIVED: Final[Mapping[str, Callable[[Fields], Numbers]]] = {
    "report_lag_days": _days_between("report_date", "loss_date"),
    "policy_remaining_days": _days_between("policy_end_date", "loss_date"),
    "policy_age_days": _or_else("policy_age_days", _days_between("loss_date", "policy_start_date")),
    "policy_age_at_report_days": _or_else(
        "policy_age_at_report_days", _days_between("report_date", "policy_start_date")
    ),
    "vehicle_age_years": _or_else("vehicle_age_years", _years_since_built),
    "loss_weekday": _weekday("loss_date"),
    "loss_weekend": _weekend("loss_date"),
    "report_weekday": _weekday("report_date"),
    "report_weekend": _weekend("report_date"),
}
"""Numeric columns computed from several fields, by name; days, years, 0 (Monday) to 6, or 0/1."""

# The model year adds nothing to the vehicle's age, but it reveals the calendar year.
# Days of the week made every family worse when validated forward in time.
_NOT_BY_DEFAULT: Final = frozenset(
    {"vehicle_year", "loss_weekday", "loss_weekend", "report_weekday", "report_weekend"}
)

DEFAULT_FEATURES: Final[tuple[str, ...]] = tuple(
    name
    for name in dict.fromkeys((*fields_by_role(Role.FEATURE), *DERIVED))
    if name not in _NOT_BY_DEFAULT
)
"""Fields of role *feature* and derived columns; nothing protected or personal."""

FIELDS: Final = frozenset(name for role in Role for name in fields_by_role(role))


def is_category(name: str) -> bool:
    """True if the column contains text. Identifiers are read as numbers: see `claim_columns`."""
    if name in DERIVED:
        return False
    return is_categorical(name) and role_of(name) is not Role.IDENTIFIER


def _identifier(value: str | None) -> float:
    return float(value) if value is not None and value.isascii() and value.isdigit() else _NAN


def _column(fields: Fields, name: str) -> Column:
    if name in DERIVED:
        return DERIVED[name](fields)
    role = role_of(name)
    if role is Role.TIME:
        return fields.day(name)
    if role is Role.IDENTIFIER:
        return np.array([_identifier(v) for v in fields.raw(name)], dtype=np.float64)
    return fields.raw(name)


def claim_columns(claims: Sequence[Claim], names: Sequence[str]) -> dict[str, Column]:
    """Columns of the claims, by name, each as long as `claims`.

    A field of role feature, protected or personal is a list of the claims' values (None is
    missing); derived columns are float arrays (NaN is missing). Identifiers and dates are never
    features by default; requested by name (to check for leaks) they are numbers: the digits of
    the identifier, the ordinal of the day.

    Raises:
        KeyError: a name is neither a field of `Claim` nor a derived column.
    """
    unknown = [name for name in names if name not in DERIVED and name not in FIELDS]
    if unknown:
        raise KeyError(f"no such claim field or derived column: {', '.join(unknown)}")
    return columns_of(Fields(claims), names)


def columns_of(fields: Fields, names: Sequence[str]) -> dict[str, Column]:
    """`claim_columns` for claims whose fields are also read by others; the names must exist."""
    return {name: _column(fields, name) for name in names}
