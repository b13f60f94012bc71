"""Examples of what crosses a boundary: shown in the documents, checked by the tests.

People, policies and places are made up.
"""

from typing import Any, Final

Example = dict[str, Any]

MINIMAL_CLAIM: Final[Example] = {"claim_id": "CLM-2026-004170"}

REAR_END: Final[Example] = {
    "claim_id": "CLM-2026-004171",
    "policy_number": "PA-7730-2219",
    "loss_date": "2026-03-14",
    "report_date": "2026-03-15",
    "policy_start_date": "2022-06-01",
    "policy_end_date": "2026-05-31",
    "loss_hour": 17,
    "loss_area": "urban",
    "loss_state": "OH",
    "incident_type": "multi-vehicle collision",
    "collision_type": "rear collision",
    "incident_severity": "minor damage",
    "fault": "third party",
    "authorities_contacted": "police",
    "police_report_filed": True,
    "witnesses": 2,
    "vehicles_involved": 2,
    "bodily_injuries": 0,
    "claim_amount": 3480.5,
    "property_amount": 0,
    "vehicle_amount": 3480.5,
    "policy_type": "collision",
    "policy_state": "OH",
    "liability_limit": "250/500",
    "deductible": 500,
    "annual_premium": 1184,
    "agent_type": "internal",
    "customer_months": 58,
    "past_claims": 0,
    "driver_rating": 2,
    "vehicles_insured": 1,
    "vehicle_make": "Honda",
    "vehicle_model": "Accord",
    "vehicle_category": "sedan",
    "vehicle_year": 2021,
    "vehicle_price": 24500,
    "driver_age": 41,
}

LATE_THEFT: Final[Example] = {
    "claim_id": "CLM-2026-004172",
    "policy_number": "PA-9018-0044",
    "representative_id": "R-12",
    "loss_date": "2026-03-02",
    "report_date": "2026-04-11",
    "policy_start_date": "2026-02-20",
    "policy_end_date": "2027-02-19",
    "loss_hour": 3,
    "loss_area": "rural",
    "loss_state": "NY",
    "incident_type": "vehicle theft",
    "incident_severity": "total loss",
    "fault": "policyholder",
    "police_report_filed": False,
    "witnesses": 0,
    "vehicles_involved": 1,
    "claim_amount": 61200,
    "vehicle_amount": 61200,
    "policy_type": "all perils",
    "deductible": 300,
    "annual_premium": 1630,
    "agent_type": "external",
    "customer_months": 1,
    "past_claims": 5,
    "years_since_address_change": 0.25,
    "driver_rating": 3,
    "vehicle_make": "Mercedes",
    "vehicle_model": "E-Class",
    "vehicle_category": "sedan",
    "vehicle_age_years": 3,
    "vehicle_price": 69000,
}

PERSONAL_CLAIM: Final[Example] = {
    "claim_id": "CLM-2026-004173",
    "loss_date": "2026-05-09",
    "report_date": None,
    "claim_amount": 910,
    "policyholder_sex": "female",
    "marital_status": "married",
    "claimant_name": "Ada Example",
    "claimant_email": "ada@example.org",
    "loss_description": "Reversed into a bollard in a car park.",
}

CLAIMS: Final[tuple[Example, ...]] = (REAR_END, LATE_THEFT, PERSONAL_CLAIM, MINIMAL_CLAIM)

SHA256: Final = "3f0c9a4be1d27c55a8b6e0917d44f2c86b1e5a90c7d3f8124e6b9a0d5c7f1e23"

PASSED: Final[Example] = {
    "schema_version": 1,
    "alert_id": "claims-3-18422-3f0c9a4be1d2",
    "claim_id": "CLM-2026-004171",
    "policy_number": "PA-7730-2219",
    "loss_date": "2026-03-14",
    "report_date": "2026-03-15",
    "claim_amount": 3480.5,
    "fraud_probability": 0.0213,
    "fraudulent": False,
    "threshold": 0.5,
    "band": "low",
    "decision": "pass",
    "control": True,
    "model": "gradient_boosting",
    "model_version": "20260301.081500",
    "model_sha256": SHA256,
    "source": {"topic": "claims", "partition": 3, "offset": 18422},
    "scored_at": "2026-03-15T09:12:44.103518Z",
}

REFERRED: Final[Example] = {
    "schema_version": 1,
    "alert_id": "claims-5-18437-3f0c9a4be1d2",
    "claim_id": "CLM-2026-004172",
    "policy_number": "PA-9018-0044",
    "loss_date": "2026-03-02",
    "report_date": "2026-04-11",
    "claim_amount": 61200,
    "fraud_probability": 0.7346,
    "fraudulent": True,
    "threshold": 0.5,
    "percentile": 99.4,
    "band": "high",
    "decision": "refer",
    "human_review_required": True,
    "model": "gradient_boosting",
    "model_version": "20260301.081500",
    "model_sha256": SHA256,
    "reasons": [
        {
            "code": "report_lag_days.high",
            "text": "reported 40 days after the loss (more than 98 % of all claims; half have at "
            "most 2 days)",
            "feature": "report_lag_days",
            "value": 40.0,
            "contribution": 1.12,
        },
        {
            "code": "fault.stated",
            "text": "policyholder at fault (820 of 10,420 such claims were fraud, "
            "7.9 %; 6 % of all); cover: all perils (451 of 4,390 such claims were fraud, "
            "10.3 %; 6 % of all)",
            "feature": "fault",
            "value": "policyholder",
            "contribution": 0.64,
            "features": ["fault", "policy_type", "vehicle_category"],
        },
    ],
    "remainder": {
        "text": "the other facts raise the score by 0.31 and lower it by 0.22 in all (log-odds)",
        "contribution": 0.09,
        "expected": -0.83,
    },
    "line_of_business": "auto",
    "priority": 44957.52,
    "case_facts": [
        {"name": "loss_state", "text": "loss in NY", "value": "NY"},
        {
            "name": "incident_type",
            "text": "incident type: vehicle theft",
            "value": "vehicle theft",
        },
    ],
    "data_quality": ["missing:bodily_injuries"],
    "source": {"topic": "claims", "partition": 5, "offset": 18437},
    "scored_at": "2026-04-11T16:03:02.870019Z",
}

OVER_HTTP: Final[Example] = {
    **{name: value for name, value in PASSED.items() if name != "source"},
    "alert_id": "CLM-2026-004171-3f0c9a4be1d2",
    "source": None,
}

REMEMBERED: Final[Example] = {
    **REFERRED,
    "history": [
        {
            "entity": "phone",
            "claims_30d": 0,
            "claims_90d": 2,
            "claims_365d": 4,
            "policies": 3,
            "policies_at_least": False,
            "days_since": 41.0,
            "decided": 2,
            "frauds": 1,
            "fraud_rate": 0.5,
        },
    ],
    "links": [
        {
            "entity": "phone",
            "claim_id": "CLM-2026-003310",
            "known_at": "2026-03-01T00:00:00Z",
            "finding": None,
            "amount": 1290,
        },
        {
            "entity": "phone",
            "claim_id": "CLM-2025-081177",
            "known_at": "2026-01-22T00:00:00Z",
            "finding": "fraud",
            "amount": 18400,
        },
    ],
    "memory": {"as_of": "2026-04-11T00:00:00Z", "behind_ms": 35, "version": 1},
}
"""By a model with history."""

ALERTS: Final[tuple[Example, ...]] = (PASSED, REFERRED, REMEMBERED, OVER_HTTP)


def _event(alert: Example) -> tuple[Example, Example]:
    """The headers of an alert, and the alert itself."""
    return {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_type": "claims-fraud-scorer.fraud-alert.v1",
        "ce_source": "/{topic}/{partition}".format(**alert["source"]),
        "ce_id": alert["alert_id"],
        "ce_time": alert["scored_at"].replace("Z", "+00:00"),
    }, alert


EVENTS: Final = (_event(PASSED), _event(REFERRED))
"""Headers and value of alerts on the topic."""

OUT_OF_RANGE: Final[Example] = {
    "__streams.errors.exception": "invalid",
    "__streams.errors.message": "must be at least 0",
    "__streams.errors.topic": "claims",
    "__streams.errors.partition": "2",
    "__streams.errors.offset": "90210",
    "scorer.errors.path": "$.claim_amount",
    "scorer.errors.failed_at": "2026-03-15T09:12:44.103518+00:00",
    "scorer.errors.attempt": "1",
    "scorer.errors.value": "original",
}

TORN: Final[Example] = {
    **OUT_OF_RANGE,
    "__streams.errors.exception": "not_json",
    "__streams.errors.message": "Input data was truncated",
    "__streams.errors.offset": "90211",
    "scorer.errors.path": "$",
    "scorer.errors.attempt": "2",
    "scorer.errors.value": "encrypted",
}

CUT: Final[Example] = {
    **OUT_OF_RANGE,
    "__streams.errors.exception": "too_large",
    "__streams.errors.message": "9000000 bytes are more than a claim's 1000000; cut to fit the "
    "topic: the first 1000 of 9000000 bytes of the value",
    "__streams.errors.offset": "90212",
    "scorer.errors.path": "$",
    "scorer.errors.value": "cut",
    "scorer.errors.sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "scorer.errors.bytes": "9000000",
}

DEAD_LETTERS: Final[tuple[Example, ...]] = (OUT_OF_RANGE, TORN, CUT)

CONFIRMED: Final[Example] = {
    "claim_id": "CLM-2026-004172",
    "outcome": "fraud",
    "decided_at": "2026-06-30T14:05:00Z",
    "alert_id": "claims-5-18437-3f0c9a4be1d2",
    "source": "investigation",
    "reason": "the car was sold before the theft was reported",
    "amount_saved": 61200,
}

CLEARED: Final[Example] = {
    "claim_id": "CLM-2026-004171",
    "outcome": "not_fraud",
    "decided_at": "2026-04-02T10:30:00+02:00",
}

UNDECIDED: Final[Example] = {
    "claim_id": "CLM-2026-004173",
    "outcome": "inconclusive",
    "source": "random_control",
    "reason": "no witness could be reached",
}

OUTCOMES: Final[tuple[Example, ...]] = (CONFIRMED, CLEARED, UNDECIDED)
