"""FraudAlert v1: one scored claim, as published to the alerts topic.

Alerts carry no personal and no protected field of the claim. A decision is advice to a person:
no value of it denies a claim.
"""

import datetime as dt
import enum
from typing import Annotated

from msgspec import Meta, Struct

Probability = Annotated[float, Meta(ge=0, le=1)]


class Band(enum.StrEnum):
    """Coarse level of the fraud probability."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Decision(enum.StrEnum):
    """What the score advises. There is no automatic denial."""

    PASS = "pass"  # noqa: S105 - a decision, not a secret
    REVIEW = "review"
    REFER = "refer"


class Source(Struct, frozen=True, gc=False):
    """Coordinates of the claim's record: what makes an outcome unique."""

    topic: str
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]


class ReasonItem(Struct, frozen=True, kw_only=True, gc=False):
    """One signed contribution to the score of a referred claim."""

    code: Annotated[str, Meta(description="Stable code of the reason.")]
    text: Annotated[str, Meta(description="The reason in plain English, in facts of the claim.")]
    feature: Annotated[str, Meta(description="Feature the contribution belongs to.")]
    value: Annotated[
        str | float | bool | None, Meta(description="The claim's value of that feature.")
    ]
    contribution: Annotated[
        float, Meta(description="Signed contribution in log-odds of the uncalibrated score.")
    ]


class RuleHit(Struct, frozen=True, kw_only=True, gc=False):
    """A transparent rule whose condition the claim met."""

    id: str
    version: Annotated[int, Meta(ge=1)]
    outcome: Decision
    text: str


class FraudAlert(Struct, frozen=True, kw_only=True, gc=False):
    """One scored claim, version 1."""

    schema_version: int = 1
    alert_id: Annotated[
        str, Meta(description="Deterministic: the same record scored by the same model.")
    ]
    revision: Annotated[int, Meta(ge=1, description="Counts the scorings of this record.")] = 1
    supersedes: Annotated[str | None, Meta(description="alert_id this one replaces.")] = None
    claim_id: str
    policy_number: str | None = None
    loss_date: dt.date | None = None
    report_date: dt.date | None = None
    claim_amount: float | None = None
    fraud_probability: Probability
    fraudulent: Annotated[bool, Meta(description="fraud_probability >= threshold")]
    threshold: Probability
    threshold_policy: Annotated[str, Meta(description="How the threshold was chosen.")] = "fixed"
    percentile: (
        Annotated[
            float,
            Meta(
                ge=0, le=100, description="Share of reference claims scored at or below this one."
            ),
        ]
        | None
    ) = None
    band: Band = Band.LOW
    decision: Decision = Decision.PASS
    human_review_required: bool = False
    model: Annotated[str, Meta(description="Name of the model.")]
    model_version: str
    model_sha256: str
    claim_schema_version: int = 1
    reasons: tuple[ReasonItem, ...] = ()
    rule_hits: tuple[RuleHit, ...] = ()
    data_quality: Annotated[
        tuple[str, ...],
        Meta(description="Flags such as missing:FIELD and unknown_category:FIELD."),
    ] = ()
    source: Source | None = None
    scored_at: dt.datetime
