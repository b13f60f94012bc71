"""Where a rule or a flag made the decision, it is the reason."""

from typing import Any

import numpy as np
import pytest

from model.decide import Decisions
from model.scoring.why import explained
from schemas.alert import Band, Decision, ReasonItem, RuleHit
from schemas.claim import Claim
from tests.model.test_reasons import Stub, reasons_of

RULE = RuleHit(id="late", version=2, outcome=Decision.REVIEW, text="Reported late.")
HARMLESS = RuleHit(id="known", version=1, outcome=Decision.PASS, text="A known garage.")


def why(decision: Decision, hits: list[RuleHit], flags: list[str]) -> tuple[Any, Any]:
    decisions = Decisions([Band.LOW], [decision], [50.0])
    explainer = reasons_of(Stub(0.5), "witnesses")
    claims, codes = [Claim(claim_id="a")], np.array([[2.0]])
    reasons, left_out = explained(explainer, claims, codes, decisions, [hits], [flags])
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
