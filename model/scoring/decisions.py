"""Who looks at a claim: the decision of the model and the rules, and the random control sample."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING

from schemas.alert import Decision, RuleHit

if TYPE_CHECKING:
    from model.scoring.scorer import Assessment


def decided(assessment: "Assessment") -> list[Decision]:
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


def control_sample(claim_ids: Iterable[str], share: float) -> list[bool]:
    """Whether each claim is in the sample, which is investigated whatever the score.

    It is the same in every process and at any time: it depends on the id and nothing else, so a
    claim that is scored again stays in the sample, and a larger sample contains the smaller one.

    Args:
        claim_ids: of the claims.
        share: of all claims, 0 to 1.
    """
    if share >= 1:
        return [True for _ in claim_ids]
    below = int(share * 2**64).to_bytes(8)
    return [blake2b(claim_id.encode()).digest() < below for claim_id in claim_ids]
