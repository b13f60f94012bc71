"""Types that cross a boundary, and the documents generated from them."""

from schemas.alert import FraudAlert
from schemas.claim import SCHEMA_VERSION, Claim, Role, fields_by_role
from schemas.dead_letter import DeadLetter, Reason

__all__ = [
    "SCHEMA_VERSION",
    "Claim",
    "DeadLetter",
    "FraudAlert",
    "Reason",
    "Role",
    "fields_by_role",
]
