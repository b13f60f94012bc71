"""FraudAlert v1: one scored claim, as published to the alerts topic.

Alerts carry no personal and no protected field of the claim. A decision is advice to a person:
no value of it denies a claim.
"""

import datetime as dt
import enum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

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

    topic: Annotated[str, Meta(description="Topic of the record.")]
    partition: Annotated[int, Meta(ge=0, description="Partition of the record.")]
    offset: Annotated[int, Meta(ge=0, description="Offset of the record.")]


class ReasonItem(Struct, frozen=True, kw_only=True, gc=False):
    """One reason of a decision: a rule, a data-quality flag, or a fact that raises the score."""

    code: Annotated[
        str,
        Meta(
            description="Stable code of the reason: feature.high, .low, .typical, .stated, .unseen,"
            " .true, .false, .missing or .withheld; rule.ID; quality.FLAG; score.level "
            "or score.ordinary."
        ),
    ]
    text: Annotated[
        str,
        Meta(
            description="The reason in plain English: facts of the claim and, in brackets, what "
            "the training claims were like."
        ),
    ]
    feature: Annotated[
        str,
        Meta(description="Feature that contributes most to the reason; empty if it is no feature."),
    ]
    value: Annotated[
        str | float | bool | None, Meta(description="The claim's value of that feature.")
    ]
    contribution: Annotated[
        float,
        Meta(
            description="Contribution to the raw score: in log-odds, of a random forest in "
            "probability. 0 for a rule and a data-quality flag."
        ),
    ]
    features: Annotated[
        tuple[str, ...],
        Meta(description="Features whose contributions are added up, if they are several."),
    ] = ()


class Remainder(Struct, frozen=True, kw_only=True, gc=False):
    """What the reasons leave out of the score; with them it adds up to the raw score."""

    text: Annotated[str, Meta(description="In one line.")]
    contribution: Annotated[
        float, Meta(description="Sum of the contributions that are not among the reasons.")
    ]
    expected: Annotated[float, Meta(description="Raw score that a claim has on average.")]


class CaseFact(Struct, frozen=True, kw_only=True, gc=False):
    """A fact of the claim that its contract marks for the case."""

    name: Annotated[str, Meta(description="Name of the field or derived fact.")]
    text: Annotated[str, Meta(description="The fact in plain English.")]
    value: Annotated[str | float | bool | None, Meta(description="Its value; a date as a text.")]


class RuleHit(Struct, frozen=True, kw_only=True, gc=False):
    """A transparent rule whose condition the claim met."""

    id: Annotated[str, Meta(description="Id of the rule.")]
    version: Annotated[int, Meta(ge=1, description="Version of the rule.")]
    outcome: Annotated[Decision, Meta(description="What the rule advises.")]
    text: Annotated[str, Meta(description="What the rule found, in plain English.")]


class EntityHistory(Struct, frozen=True, kw_only=True, gc=False):
    """What was known of the people or things of one kind that the claim names.

    All counts are of other claims, as of ``memory.as_of``. Of several of the kind, as of two
    telephones, each value is that of the one that says most.
    """

    entity: Annotated[str, Meta(description="Kind of entity, as the contract names it.")]
    claims_30d: Annotated[int, Meta(ge=0, description="Claims in 30 days.")]
    claims_90d: Annotated[int, Meta(ge=0, description="Claims in 90 days.")]
    claims_365d: Annotated[int, Meta(ge=0, description="Claims in 365 days.")]
    policies: Annotated[int, Meta(ge=0, description="Policies that earlier claims are made under.")]
    policies_at_least: Annotated[
        bool,
        Meta(
            description="There may be more policies: there are more claims than are looked at for "
            "them."
        ),
    ]
    days_since: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Days since the latest claim; null if there was none."),
    ]
    decided: Annotated[int, Meta(ge=0, description="Claims of which the outcome was known.")]
    frauds: Annotated[int, Meta(ge=0, description="Of those, how many were found to be fraud.")]
    fraud_rate: Annotated[
        Probability | None, Meta(description="The same as a share; null if no outcome was known.")
    ]


class LinkFinding(enum.StrEnum):
    """What was found about an earlier claim."""

    FRAUD = "fraud"
    NOT_FRAUD = "not_fraud"


class LinkedClaim(Struct, frozen=True, kw_only=True, gc=False):
    """An earlier claim that names the same person-like entity: to look at, and no finding."""

    entity: Annotated[str, Meta(description="Kind of what both claims name.")]
    claim_id: Annotated[str, Meta(description="The earlier claim.")]
    known_at: Annotated[dt.datetime, Meta(tz=True, description="When it became known.")]
    finding: Annotated[
        LinkFinding | None,
        Meta(description="What was found about it; null if that was not known yet."),
    ]
    amount: Annotated[
        float | None,
        Meta(description="Total amount claimed.", extra_json_schema={"x-unit": "currency"}),
    ]


class MemoryStatus(Struct, frozen=True, kw_only=True, gc=False):
    """What the history of the claim is as of."""

    as_of: Annotated[
        dt.datetime, Meta(tz=True, description="What became known before it was seen.")
    ]
    behind_ms: Annotated[
        int,
        Meta(ge=0, description="For how long the log may have had facts that were not seen, ms."),
    ]
    version: Annotated[int, Meta(ge=1, description="Of how history is computed.")]


class FraudAlert(Struct, frozen=True, kw_only=True, gc=False):
    """One scored claim, version 1."""

    schema_version: Annotated[int, Meta(description="Version of this contract.")] = 1
    alert_id: Annotated[
        str, Meta(description="Deterministic: the same record scored by the same model.")
    ]
    revision: Annotated[
        int,
        Meta(
            ge=1,
            description="1, or the header scorer.revision of a claim that was sent again.",
        ),
    ] = 1
    supersedes: Annotated[
        str | None,
        Meta(
            description="alert_id this one replaces, from the header scorer.supersedes of a claim "
            "that was sent again; does not hold for an alert on another claim."
        ),
    ] = None
    previous_probability: Annotated[
        Probability | None,
        Meta(
            description="fraud_probability of the alert this one replaces, from the header "
            "scorer.previous_probability of a claim that was sent again, if it has one."
        ),
    ] = None
    claim_id: Annotated[str, Meta(description="The claim that was scored.")]
    policy_number: Annotated[
        str | None, Meta(description="Policy the claim is made under, as the claim has it.")
    ] = None
    loss_date: Annotated[dt.date | None, Meta(description="Day of the loss.")] = None
    report_date: Annotated[dt.date | None, Meta(description="Day the loss was reported.")] = None
    claim_amount: Annotated[
        float | None,
        Meta(description="Total amount claimed.", extra_json_schema={"x-unit": "currency"}),
    ] = None
    fraud_probability: Annotated[
        Probability, Meta(description="Probability that the claim is fraudulent.")
    ]
    fraudulent: Annotated[
        bool,
        Meta(
            description="fraud_probability >= threshold, and nothing else: false for a claim that "
            "only a rule refers. What to do is the decision."
        ),
    ]
    threshold: Annotated[
        Probability, Meta(description="Probabilities at or above it are a referral.")
    ]
    threshold_policy: Annotated[str, Meta(description="How the threshold was chosen.")] = "fixed"
    percentile: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=100,
                description="Percentage of reference claims scored at or below this one, rounded "
                "down to one decimal.",
            ),
        ]
        | None
    ) = None
    band: Annotated[
        Band,
        Meta(
            description="Coarse level of the fraud probability, for sorting and statistics: high "
            "is that of the top 5 % of the training claims, medium of the top 20 %. Not what to "
            "do: a claim of any band may pass or be referred."
        ),
    ] = Band.LOW
    decision: Annotated[
        Decision,
        Meta(
            description="What to do, by the score and the rules together: refer it to the special "
            "investigations unit (from the threshold, or by a rule), review it (the 5 % of the "
            "training claims below the threshold, or by a rule), or pass it on. There is no "
            "automatic denial."
        ),
    ] = Decision.PASS
    human_review_required: Annotated[
        bool, Meta(description="A person decides: always true for a referral.")
    ] = False
    control: Annotated[
        bool,
        Meta(
            description="In the random control sample (CONTROL_SHARE): to be investigated whatever "
            "the decision."
        ),
    ] = False
    model: Annotated[str, Meta(description="Name of the model.")]
    model_version: Annotated[str, Meta(description="Version of the model.")]
    model_sha256: Annotated[str, Meta(description="Digest of the model file, hex.")]
    claim_schema_version: Annotated[
        int, Meta(description="Version of the Claim contract the model reads.")
    ] = 1
    reasons: Annotated[
        tuple[ReasonItem, ...],
        Meta(
            description="Why the decision is not pass: rules first, then facts that raise the "
            "score, the rarest first. Empty if it is pass."
        ),
    ] = ()
    remainder: Annotated[
        Remainder | None,
        Meta(description="What the reasons leave out of the score; null if it is not explained."),
    ] = None
    line_of_business: Annotated[
        str | None, Meta(description="Line of business, as the contract of the claims has it.")
    ] = None
    currency: Annotated[
        str | None,
        Meta(description="Currency of all amounts, ISO 4217; null if the contract names none."),
    ] = None
    priority: Annotated[
        float | None,
        Meta(
            description="Expected loss, fraud_probability times claim_amount, for the order of "
            "work: of claims that a person is to look at; null without an amount.",
            extra_json_schema={"x-unit": "currency"},
        ),
    ] = None
    case_facts: Annotated[
        tuple[CaseFact, ...],
        Meta(
            description="Facts that the contract marks for the case, of claims that a person is "
            "to look at; those that are missing are left out."
        ),
    ] = ()
    rule_hits: Annotated[
        tuple[RuleHit, ...], Meta(description="Rules whose condition the claim met.")
    ] = ()
    data_quality: Annotated[
        tuple[str, ...],
        Meta(description="Flags such as missing:FIELD and unknown_category:FIELD."),
    ] = ()
    source: Annotated[
        Source | None, Meta(description="Record the claim came in; null over HTTP.")
    ] = None
    scored_at: Annotated[dt.datetime, Meta(tz=True, description="When the claim was scored.")]
    history: Annotated[
        tuple[EntityHistory, ...] | UnsetType,
        Meta(
            description="What was known of whom the claim names, by kind; left out, as links and "
            "memory are, by models without history. Kinds that it does not name are left out, and "
            "so are placeholders, which data_quality flags as common_entity:KIND."
        ),
    ] = UNSET
    links: Annotated[
        tuple[LinkedClaim, ...] | UnsetType,
        Meta(
            description="Earlier claims that name the same person-like entity, of claims that a "
            "person is to look at: at most 5 of each kind, the latest first. They inform, and "
            "change no decision."
        ),
    ] = UNSET
    memory: Annotated[
        MemoryStatus | UnsetType | None, Meta(description="What the history is as of.")
    ] = UNSET
