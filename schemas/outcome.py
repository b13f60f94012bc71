"""FraudOutcome v1: what an investigation found, as claims handling publishes it."""

import datetime as dt
import enum
from typing import Annotated

from msgspec import Meta, Struct


class Finding(enum.StrEnum):
    """How a claim turned out."""

    FRAUD = "fraud"
    NOT_FRAUD = "not_fraud"
    INCONCLUSIVE = "inconclusive"
    """Closed without a finding: counts neither as fraud nor as honest."""


class Occasion(enum.StrEnum):
    """Why a claim was investigated."""

    INVESTIGATION = "investigation"
    RANDOM_CONTROL = "random_control"


class FraudOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """The finding on one claim, version 1; a later one replaces an earlier one."""

    claim_id: Annotated[
        str, Meta(min_length=1, max_length=128, description="Unique id of the claim.")
    ]
    outcome: Annotated[Finding, Meta(description="What was found.")]
    decided_at: (
        Annotated[
            dt.datetime,
            Meta(tz=True, description="When it was decided; null: when its record was published."),
        ]
        | None
    ) = None
    alert_id: (
        Annotated[
            str,
            Meta(min_length=1, max_length=400, description="Alert that the case was opened for."),
        ]
        | None
    ) = None
    source: (
        Annotated[
            Occasion,
            Meta(description="Why the claim was investigated: because of its alert, or at random."),
        ]
        | None
    ) = None
    reason: (
        Annotated[
            str,
            Meta(max_length=1_000, description="Why it was decided so; without personal data."),
        ]
        | None
    ) = None
    amount_saved: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=1e9,
                description="Amount that was not paid because of the finding.",
                extra_json_schema={"x-unit": "currency"},
            ),
        ]
        | None
    ) = None
