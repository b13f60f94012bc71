"""Facts of a claim in plain English, by feature."""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.claim import Role, fields_by_role

Value = str | float | bool | None

_PLURALS: Final[Mapping[str, str]] = {"injury": "injuries", "witness": "witnesses"}


def phrase(feature: str, value: Value) -> str:
    """Describe the claim's value of the feature; None is missing. Personal facts are withheld."""
    if is_withheld(feature):
        return f"{_label(feature)} (not shown)"
    if value is None:
        return f"{_label(feature)} not known"
    if feature in _PHRASES:
        return _PHRASES[feature](value)
    if isinstance(value, bool):
        return f"{_label(feature)}: {'yes' if value else 'no'}"
    return f"{_label(feature)}: {_shown(value)}"


def is_withheld(feature: str) -> bool:
    """True if the feature is a personal or protected field, which no alert may carry."""
    return feature in fields_by_role(Role.PERSONAL) + fields_by_role(Role.PROTECTED)


def _label(feature: str) -> str:
    return feature.replace("_", " ")


def _shown(value: Value) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _count(number: float, noun: str) -> str:
    return f"{_shown(number)} {noun if number == 1 else _PLURALS.get(noun, noun + 's')}"


def _distance(what: str, zero: str, after: str, before: str) -> Callable[[Value], str]:
    """Describe how many days something was after, or before, something else."""

    def told(value: Value) -> str:
        days = float(value or 0)
        if days == 0:
            return f"{what} {zero}"
        return f"{what} {_count(abs(days), 'day')} {after if days > 0 else before}"

    return told


def _counted(template: str, noun: str) -> Callable[[Value], str]:
    return lambda value: template.format(_count(float(value or 0), noun))


def _told(template: str) -> Callable[[Value], str]:
    return lambda value: template.format(_shown(value))


def _either(yes: str, no: str) -> Callable[[Value], str]:
    return lambda value: yes if value else no


_PHRASES: Final[Mapping[str, Callable[[Value], str]]] = {
    "report_lag_days": _distance(
        "reported", "on the day of the loss", "after the loss", "before the loss"
    ),
    "policy_age_days": _distance(
        "loss", "on the policy's first day", "after the policy began", "before the policy began"
    ),
    "policy_age_at_report_days": _distance(
        "reported", "on the policy's first day", "after the policy began", "before the policy began"
    ),
    "policy_remaining_days": _distance(
        "loss", "on the policy's last day", "before the policy ends", "after the policy ended"
    ),
    "loss_hour": lambda value: f"loss at {int(value or 0):02}:00",
    "loss_area": _told("loss in an area that is {}"),
    "loss_state": _told("loss in {}"),
    "loss_city": _told("loss in {}"),
    "fault": _told("fault lies with the {}"),
    "authorities_contacted": _told("authorities called: {}"),
    "police_report_filed": _either("a police report was filed", "no police report was filed"),
    "property_damage": _either("other property was damaged", "no other property was damaged"),
    "witnesses": _counted("{} named", "witness"),
    "vehicles_involved": _counted("{} involved", "vehicle"),
    "bodily_injuries": _counted("{}", "injury"),
    "past_claims": _counted("{}", "earlier claim"),
    "vehicles_insured": _counted("{} on the policy", "vehicle"),
    "policy_type": _told("cover is {}"),
    "agent_type": _told("sold by an agent who is {}"),
    "deductible": _told("deductible of {}"),
    "claim_amount": _told("{} claimed in all"),
    "injury_amount": _told("{} claimed for injuries"),
    "property_amount": _told("{} claimed for property"),
    "vehicle_amount": _told("{} claimed for the vehicle"),
    "annual_premium": _told("premium of {} a year"),
    "customer_months": _counted("customer for {}", "month"),
    # A fraction of a year is worded to two digits; the value in the alert is exact.
    "years_since_address_change": lambda value: (
        f"address changed {_count(round(float(value or 0), 2), 'year')} ago"
    ),
    "driver_rating": _told("driver rated {}"),
    "vehicle_age_years": lambda value: (
        f"vehicle is {_count(float(value), 'year')} old" if value else "vehicle is new"
    ),
    "vehicle_price": _told("vehicle priced at {}"),
    "vehicle_make": _told("vehicle made by {}"),
    "vehicle_category": _told("vehicle category: {}"),
}
