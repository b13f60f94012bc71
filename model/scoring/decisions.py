"""The decision on a claim, of the model and the rules together."""

from collections.abc import Iterable
from typing import Final

from model.scoring.scorer import Assessment
from schemas.alert import Decision, RuleHit

_SEVERITY: Final = {Decision.PASS: 0, Decision.REVIEW: 1, Decision.REFER: 2}


def decided(assessment: Assessment) -> list[Decision]:
    """The decision on each claim: that of the model, or of a rule that requires more attention."""
    advice, hits = assessment.decisions.decision, assessment.rule_hits
    return [severest(d, h) if h else d for d, h in zip(advice, hits, strict=True)]


def severest(decision: Decision, hits: Iterable[RuleHit]) -> Decision:
    """The decision of the model or of a rule, whichever requires more attention."""
    return max((decision, *(hit.outcome for hit in hits)), key=_SEVERITY.__getitem__)
