"""Where a rule or a flag made the decision, it is the reason."""

import datetime as dt
from typing import Any

import msgspec
import numpy as np
import pytest

from model.features.facts import ClaimFacts
from model.scoring.explanations import RuleReasons, explained
from model.scoring.rules import parse
from model.thresholds import Decisions
from schemas.alert import Band, Decision, ReasonItem, RuleHit
from schemas.claim import Claim
from schemas.contract.parse import shipped
from tests.model.test_reasons import Stub, compared, reasons_of

AUTO = shipped("auto")
RULE = RuleHit(id="late", version=2, outcome=Decision.REVIEW, text="Reported late.")
HARMLESS = RuleHit(id="known", version=1, outcome=Decision.PASS, text="A known garage.")


def why(decision: Decision, hits: list[RuleHit], flags: list[str]) -> tuple[Any, Any]:
    decisions = Decisions([Band.LOW], [decision], [50.0])
    explainer = reasons_of(Stub(0.5), "witnesses")
    rules = RuleReasons(AUTO, explainer, {"late": (), "known": ()})
    facts, codes = ClaimFacts(AUTO, [Claim(claim_id="a")]), np.array([[2.0]])
    reasons, left_out = explained(explainer, rules, facts, codes, decisions, [hits], [flags])
    return reasons[0], left_out


@pytest.mark.parametrize(
    ("decision", "hits", "flags", "codes"),
    [
        (Decision.PASS, [], [], []),
        (Decision.PASS, [], ["missing:fault"], []),
        (Decision.PASS, [RULE], [], ["rule.late"]),
        (Decision.PASS, [HARMLESS], [], []),
        (Decision.PASS, [], ["missing:fault", "too_little_known"], ["quality.too_little_known"]),
        (Decision.REVIEW, [], [], ["witnesses.stated"]),
        (Decision.REFER, [HARMLESS, RULE], [], ["rule.late", "witnesses.stated"]),
    ],
)
def test_reasons(
    decision: Decision, hits: list[RuleHit], flags: list[str], codes: list[str]
) -> None:
    reasons, left_out = why(decision, hits, flags)
    assert [item.code for item in reasons] == codes
    assert bool(left_out) == (decision is not Decision.PASS)


def test_a_rule_is_told_in_its_own_words() -> None:
    reasons, _ = why(Decision.PASS, [RULE], [])
    assert reasons == (
        ReasonItem(
            code="rule.late", text="Reported late.", feature="", value=None, contribution=0.0
        ),
    )


RULES = """
[[rule]]
id = "late"
version = 1
when = ["report_lag_days > 30", "loss_date < report_date", "witnesses == 0 or missing(witnesses)"]
outcome = "review"
text = "Reported late."

[[rule]]
id = "young"
version = 1
when = ["driver_age < 20", "policy_number == 'p'", "policy_type != 'x'"]
outcome = "review"
text = "A young driver."
sensitive = ["driver_age"]
"""


def said_by_rules(*claims: Claim, features: tuple[str, ...] = ("deductible",)) -> list[list[str]]:
    rules, facts = parse(RULES, AUTO), ClaimFacts(AUTO, claims)
    explainer = compared(Stub(*[0.5] * len(features)), *features)
    reasons = RuleReasons(AUTO, explainer, rules.looks_at())
    codes = np.array([facts.column(name, "number") for name in features]).T
    decisions = Decisions([Band.LOW] * len(claims), [Decision.PASS] * len(claims), [1.0])
    found, _ = explained(
        explainer, reasons, facts, codes, decisions, rules.hits(facts), [()] * len(claims)
    )
    return [[item.text for item in items] for items in found]


def test_a_rule_shows_the_facts_that_it_looked_at() -> None:
    late = Claim(
        claim_id="a", loss_date=dt.date(2026, 1, 1), report_date=dt.date(2026, 3, 27), witnesses=0
    )
    nobody = msgspec.structs.replace(late, report_date=dt.date(2026, 3, 28), witnesses=None)
    assert said_by_rules(late, Claim(claim_id="b"), nobody, late) == [
        [
            "Reported late: reported 85 days after the loss; loss date: 2026-01-01; "
            "report date: 2026-03-27; 0 witnesses named"
        ],
        [],
        [
            "Reported late: reported 86 days after the loss; loss date: 2026-01-01; "
            "report date: 2026-03-28"
        ],
        [
            "Reported late: reported 85 days after the loss; loss date: 2026-01-01; "
            "report date: 2026-03-27; 0 witnesses named"
        ],
    ]


def test_a_rule_shows_nothing_personal_protected_or_that_identifies() -> None:
    young = Claim(claim_id="a", driver_age=18, policy_number="p", policy_type="liability")
    assert said_by_rules(young) == [["A young driver: cover: liability"]]


def test_a_fact_that_is_a_feature_is_compared() -> None:
    late = Claim(claim_id="a", loss_date=dt.date(2026, 1, 1), report_date=dt.date(2026, 3, 27))
    ((text,),) = said_by_rules(late, features=("report_lag_days", "deductible"))
    assert text == (
        "Reported late: reported 85 days after the loss "
        "(more than 99.6 % of all claims; half have at most 2 days); "
        "loss date: 2026-01-01; report date: 2026-03-27"
    )


def test_what_another_reason_tells_is_not_told_again() -> None:
    late = Claim(claim_id="a", loss_date=dt.date(2026, 1, 1), report_date=dt.date(2026, 3, 27))
    rules, facts = parse(RULES, AUTO), ClaimFacts(AUTO, [late])
    explainer = compared(Stub(0.5), "report_lag_days")
    reasons = RuleReasons(AUTO, explainer, rules.looks_at())
    decisions = Decisions([Band.LOW], [Decision.REFER], [1.0])
    codes, hits = np.array([[85.0]]), rules.hits(facts)
    ((rule, score),), _ = explained(explainer, reasons, facts, codes, decisions, hits, [()])
    assert rule.text == "Reported late: loss date: 2026-01-01; report date: 2026-03-27"
    assert score.text.startswith("reported 85 days after the loss")
