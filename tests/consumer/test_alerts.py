"""Alerts: rules alongside the model, CloudEvents, and nothing personal."""

import datetime as dt

import msgspec
import numpy as np
import pytest

from consumer.batch.alerts import alert_records, fraud_alerts
from consumer.batch.records import coordinates
from model.scoring.decisions import severest
from schemas.alert import Decision, FraudAlert, RuleHit
from schemas.claim import Claim, Role, fields_by_role
from tests.consumer.fakes import NOW, FakeScorer, alert_of
from tests.harness.kafka import FakeMessage

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def hit(outcome: Decision) -> RuleHit:
    return RuleHit(id="r", version=1, outcome=outcome, text="because")


def one(claim: Claim, *hits: RuleHit) -> FraudAlert:
    scorer = FakeScorer()
    assessment = scorer.assess([claim])._replace(rule_hits=[tuple(hits)])
    (alert,) = fraud_alerts([claim], [None], assessment, scorer, NOW)
    return alert


@pytest.mark.parametrize(
    ("decision", "outcomes", "expected"),
    [
        (Decision.PASS, [Decision.REVIEW], Decision.REVIEW),
        (Decision.REVIEW, [Decision.PASS], Decision.REVIEW),
        (Decision.REFER, [Decision.REVIEW], Decision.REFER),
        (Decision.PASS, [Decision.REVIEW, Decision.REFER], Decision.REFER),
    ],
)
def test_the_severest_advice_holds(
    decision: Decision, outcomes: list[Decision], expected: Decision
) -> None:
    assert severest(decision, [hit(o) for o in outcomes]) is expected


def test_a_rule_raises_the_decision_but_not_the_probability() -> None:
    claim = Claim(claim_id="c", claim_amount=10.0)
    plain, ruled = one(claim), one(claim, hit(Decision.REFER))
    assert (plain.decision, plain.human_review_required) == (Decision.PASS, False)
    assert (ruled.decision, ruled.human_review_required) == (Decision.REFER, True)
    assert ruled.fraudulent is plain.fraudulent is False
    assert ruled.fraud_probability == plain.fraud_probability
    assert ruled.rule_hits == (hit(Decision.REFER),)


def test_an_alert_is_a_binary_mode_cloud_event_and_passes_the_trace_on() -> None:
    scorer = FakeScorer()
    claims = [Claim(claim_id="a"), Claim(claim_id="b")]
    messages = [FakeMessage(None, offset) for offset in (3, 4)]
    sources = list(map(coordinates, messages))
    headers = [[("traceparent", TRACE.encode()), ("secret", b"x")], []]
    first, second = alert_records(
        messages, sources, headers, claims, [("x",), ()], scorer.assess(claims), scorer, NOW
    )
    assert [alert_of(one).data_quality for one in (first, second)] == [("unknown_field:x",), ()]
    named = dict(first.headers or ())
    assert named.pop("ce_id") == alert_of(first).alert_id == "claims-0-3-" + "f" * 12
    assert dt.datetime.fromisoformat(str(named.pop("ce_time"))) == NOW
    assert named == {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_type": "claims-fraud-scorer.fraud-alert.v1",
        "ce_source": "/claims/0",
        "traceparent": TRACE.encode(),
    }
    assert "traceparent" not in dict(second.headers or ())


def test_the_control_sample_marks_an_alert_and_changes_nothing_else() -> None:
    scorer, claims = FakeScorer(), [Claim(claim_id="a"), Claim(claim_id="b", claim_amount=900.0)]
    plain = scorer.assess(claims)
    drawn = plain._replace(control=[True, False])
    marked = list(fraud_alerts(claims, [None] * 2, drawn, scorer, NOW))
    assert [alert.control for alert in marked] == [True, False]
    assert [msgspec.structs.replace(alert, control=False) for alert in marked] == list(
        fraud_alerts(claims, [None] * 2, plain, scorer, NOW)
    )


def test_nothing_personal_or_protected_leaves() -> None:
    kept_back = (*fields_by_role(Role.PERSONAL), *fields_by_role(Role.PROTECTED))
    assert not set(kept_back) & {field.name for field in msgspec.structs.fields(FraudAlert)}
    claim = Claim(claim_id="c", claimant_name="Jane Roe", postal_code="12345", driver_age=77.0)
    written = msgspec.json.encode(one(claim))
    assert b"Roe" not in written
    assert b"12345" not in written


def test_a_claim_without_a_record_is_known_by_its_id() -> None:
    alert = one(Claim(claim_id="c"))
    assert alert.alert_id == "c-" + "f" * 12
    assert alert.source is None
    assert np.isclose(alert.fraud_probability, 0)


def test_what_a_person_needs_is_in_the_alerts_that_a_person_looks_at() -> None:
    claims = [
        Claim(claim_id=f"{n}", claim_amount=amount, incident_type="theft", loss_city="Leeds",
              claimant_name="Jane Roe", loss_location="1 High Street")
        for n, amount in enumerate([10.0, 450.0, 777.777, 20.0])
    ]  # fmt: skip
    scorer = FakeScorer()
    assessment = scorer.assess(claims)._replace(control=[False, False, False, True])
    passed, reviewed, referred, drawn = fraud_alerts(claims, [None] * 4, assessment, scorer, NOW)
    assert (passed.priority, passed.case_facts) == (None, ())
    assert reviewed.priority == 202.5
    assert referred.priority == 604.94, "rounded"
    assert drawn.priority == 0.4
    for alert in (reviewed, referred, drawn):
        assert [(fact.name, fact.text, fact.value) for fact in alert.case_facts] == [
            ("loss_city", "loss in Leeds", "Leeds"),
            ("incident_type", "incident type: theft", "theft"),
        ]
    assert {alert.line_of_business for alert in (passed, referred)} == {"auto"}
    assert referred.currency is None
    assert b"High Street" not in msgspec.json.encode(referred)


def test_without_an_amount_there_is_no_priority() -> None:
    assert one(Claim(claim_id="c"), hit(Decision.REFER)).priority is None
