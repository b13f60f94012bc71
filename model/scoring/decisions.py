"""The decision on a claim, of the model and the rules together."""

from collections.abc import Iterable

from model.scoring.scorer import Assessment
from schemas.alert import Decision, RuleHit


def decided(assessment: Assessment) -> list[Decision]:
    """The decision on each claim: that of the model, or of a rule that requires more attention."""
    advice, hits = assessment.decisions.decision, assessment.rule_hits
    return [severest(d, h) if h else d for d, h in zip(advice, hits, strict=True)]


def severest(decision: Decision, hits: Iterable[RuleHit]) -> Decision:
    """The decision of the model or of a rule, whichever requires more attention."""
    for hit in hits:
        if decision is Decision.REFER:
            break
        if hit.outcome is not Decision.PASS:
            decision = hit.outcome
    return decision
