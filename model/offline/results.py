"""Results of a batch, as columns that every form of output is written from."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from model.features.facts import column
from model.history.features import ClaimHistory
from model.scoring.decisions import decided
from model.scoring.scorer import Assessment, Scorer
from schemas.alert import Band, Decision, ReasonItem, RuleHit
from schemas.decoding.unknown import flagged
from schemas.tables.batches import ClaimBatch


class ScoredClaim(Struct, frozen=True, gc=False):
    """The result of one claim; every field but `line` means what it means in an alert."""

    line: int
    """Line of the file on which the claim begins; of Parquet, the number of its row."""
    claim_id: str
    fraud_probability: float
    fraudulent: bool
    decision: Decision
    band: Band
    percentile: float
    reasons: tuple[ReasonItem, ...]
    rule_hits: tuple[RuleHit, ...]
    data_quality: tuple[str, ...]


class Results(NamedTuple):
    """Columns of `ScoredClaim`, in its order."""

    line: Sequence[int]
    claim_id: Sequence[str]
    fraud_probability: Sequence[float]
    fraudulent: Sequence[bool]
    decision: Sequence[Decision]
    band: Sequence[Band]
    percentile: Sequence[float]
    reasons: Sequence[tuple[ReasonItem, ...]]
    rule_hits: Sequence[tuple[RuleHit, ...]]
    data_quality: Sequence[tuple[str, ...]]


def results(
    batch: ClaimBatch, scorer: Scorer, histories: Sequence[ClaimHistory] | None = None
) -> Results:
    """Score a batch that has claims, as a worker does.

    Args:
        batch: of a file.
        scorer: the model.
        histories: of the claims, for a model that learnt from history.

    Raises:
        ValueError: the model raised an error on a valid claim, or answered with something else
            than a probability.
    """
    found = _assessed(batch, scorer, histories)
    probability = found.probability
    return Results(
        line=batch.lines,
        claim_id=column(batch.claims, scorer.contract.event.id),
        fraud_probability=probability.tolist(),
        fraudulent=(probability >= scorer.threshold).tolist(),
        decision=decided(found),
        band=found.decisions.band,
        percentile=found.decisions.percentile,
        reasons=found.reasons,
        rule_hits=found.rule_hits,
        data_quality=flagged(found.data_quality, batch.unknown),
    )


def _assessed(
    batch: ClaimBatch, scorer: Scorer, histories: Sequence[ClaimHistory] | None
) -> Assessment:
    where = f"claims of lines {batch.lines[0]:,} to {batch.lines[-1]:,}"
    model = f"model {scorer.name} {scorer.version}"
    try:
        found = scorer.assess(batch.claims, histories)
    except Exception as error:
        raise ValueError(
            f"{model} raised {error!r} on valid {where}; nothing was written: score with another "
            "version of the model"
        ) from error
    if not ((found.probability >= 0) & (found.probability <= 1)).all():
        raise ValueError(f"{model} did not answer with a probability on {where}")
    return found
