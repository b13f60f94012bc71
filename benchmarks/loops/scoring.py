"""The two ways to score that a peer is given."""

import datetime as dt
from collections.abc import Callable, Sequence

from benchmarks.loops.job import Job

Score = Callable[[Sequence[bytes]], list[bytes]]


def scoring(job: Job) -> Score:
    """Bytes of claims to bytes of alerts, in their order."""
    if job.scoring == "product":
        return _product(job)
    from benchmarks.loops.stock import StockModel  # noqa: PLC0415 - pandas only where it is used

    return StockModel(job.model)


def _product(job: Job) -> Score:
    import msgspec  # noqa: PLC0415

    from model.scoring.load import load as load_model  # noqa: PLC0415
    from schemas.claim import Claim  # noqa: PLC0415

    scorer = load_model(job.model)
    decoder, encoder = msgspec.json.Decoder(Claim), msgspec.json.Encoder()

    def score(values: Sequence[bytes]) -> list[bytes]:
        claims = [decoder.decode(value) for value in values]
        now = dt.datetime.now(dt.UTC)
        return [
            encoder.encode(
                {
                    "claim_id": claim.claim_id,
                    "policy_number": claim.policy_number,
                    "loss_date": claim.loss_date,
                    "fraud_probability": probability,
                    "fraudulent": probability >= scorer.threshold,
                    "threshold": scorer.threshold,
                    "model": scorer.name,
                    "model_version": scorer.version,
                    "scored_at": now,
                }
            )
            for claim, probability in zip(claims, scorer.score(claims).tolist(), strict=True)
        ]

    return score
