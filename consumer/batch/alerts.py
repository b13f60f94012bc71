"""Alerts of a batch: the model's result for each claim, as a FraudAlert and as a record. Pure."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from consumer.batch.records import Message, Record
from consumer.batch.revisions import successor
from model.scoring.scorer import Assessment
from schemas.alert import Decision, FraudAlert, RuleHit, Source
from schemas.claim import Claim
from schemas.dead_letter import Header

CLOUD_EVENT_TYPE: Final = "claims-fraud-scorer.fraud-alert.v1"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
"""Passed on from the claim to its alert (W3C Trace Context)."""

_encoder: Final = msgspec.json.Encoder()
_SEVERITY: Final = {Decision.PASS: 0, Decision.REVIEW: 1, Decision.REFER: 2}


class BatchScorer(Protocol):
    """The part of a model that is used here: see `model.scoring.scorer.Scorer`."""

    name: str
    version: str
    sha256: str
    threshold: float
    threshold_policy: str

    def score(self, claims: Sequence[Claim]) -> npt.NDArray[np.float64]: ...  # noqa: D102
    def assess(self, claims: Sequence[Claim]) -> Assessment: ...  # noqa: D102


def fraud_alerts(
    claims: Sequence[Claim],
    sources: Iterable[Source | None],
    assessment: Assessment,
    scorer: BatchScorer,
    now: dt.datetime,
) -> Iterator[FraudAlert]:
    """One alert for each scored claim.

    Args:
        claims: the claims of the batch.
        sources: where each came from; None for a claim that came over HTTP.
        assessment: the model's results for them, in the same order.
        scorer: the model.
        now: becomes ``scored_at``.
    """
    band, decision, percentile = assessment.decisions
    suffix = scorer.sha256[:12]
    threshold = scorer.threshold
    for claim, source, probability, level, advice, rank, hits, flags, reasons in zip(
        claims,
        sources,
        assessment.probability.tolist(),
        band,
        decision,
        percentile,
        assessment.rule_hits,
        assessment.data_quality,
        assessment.reasons,
        strict=True,
    ):
        if hits:
            advice = severest(advice, hits)  # noqa: PLW2901
        place = f"{source.topic}-{source.partition}-{source.offset}" if source else claim.claim_id
        yield FraudAlert(
            alert_id=f"{place}-{suffix}",
            claim_id=claim.claim_id,
            policy_number=claim.policy_number,
            loss_date=claim.loss_date,
            report_date=claim.report_date,
            claim_amount=claim.claim_amount,
            fraud_probability=probability,
            fraudulent=probability >= threshold,
            threshold=threshold,
            threshold_policy=scorer.threshold_policy,
            percentile=rank,
            band=level,
            decision=advice,
            human_review_required=advice is not Decision.PASS,
            model=scorer.name,
            model_version=scorer.version,
            model_sha256=scorer.sha256,
            reasons=reasons,
            rule_hits=hits,
            data_quality=flags,
            source=source,
            scored_at=now,
        )


def severest(decision: Decision, hits: Iterable[RuleHit]) -> Decision:
    """The decision of the model or of a rule, whichever requires more attention."""
    return max((decision, *(hit.outcome for hit in hits)), key=_SEVERITY.__getitem__)


def alert_records(
    messages: Sequence[Message],
    sources: Sequence[Source],
    headers: Sequence[Sequence[Header]],
    claims: Sequence[Claim],
    assessment: Assessment,
    scorer: BatchScorer,
    now: dt.datetime,
) -> list[Record]:
    """One alert per claim, under the claim's key, as a binary-mode CloudEvent 1.0."""
    time = now.isoformat()
    return [
        Record(
            message.key(),
            _encoder.encode(alert),
            [
                ("content-type", "application/json"),
                ("ce_specversion", "1.0"),
                ("ce_type", CLOUD_EVENT_TYPE),
                ("ce_source", f"/{source.topic}/{source.partition}"),
                ("ce_id", alert.alert_id),
                ("ce_time", time),
                *(header for header in own if header[0] in TRACE_HEADERS),
            ],
        )
        for message, own, source, alert in zip(
            messages,
            headers,
            sources,
            map(successor, fraud_alerts(claims, sources, assessment, scorer, now), headers),
            strict=True,
        )
    ]
