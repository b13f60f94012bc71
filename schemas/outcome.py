"""FraudOutcome v1: what an investigation found, as claims handling publishes it."""

import datetime as dt
import enum
from typing import Annotated

from msgspec import Meta, Struct


class Finding(enum.StrEnum):
    """How a claim turned out."""

    FRAUD = "fraud"
    NOT_FRAUD = "not_fraud"


class FraudOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """The finding on one claim, version 1; a later one replaces an earlier one."""

    claim_id: Annotated[
        str, Meta(min_length=1, max_length=128, description="Unique id of the claim.")
    ]
    outcome: Annotated[Finding, Meta(description="What was found.")]
    decided_at: Annotated[dt.datetime, Meta(tz=True, description="When it was decided.")]
