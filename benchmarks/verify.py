"""Checks what a contender wrote: counted and read, so that fast means fast and correct."""

import msgspec

from tests.broker.read import read_all


class Scored(msgspec.Struct, frozen=True):
    """The fields in every contender's alert."""

    claim_id: str
    fraud_probability: float
    fraudulent: bool


class Verdict(msgspec.Struct, frozen=True):
    """Summary of the alerts of a run."""

    alerts: int
    claims: int
    mean_probability: float
    referred: float


def verify(bootstrap: str, alerts: str) -> Verdict:
    """Count committed alerts and different claims, and sum up their scores."""
    decoder = msgspec.json.Decoder(Scored)
    found = [decoder.decode(record.value or b"") for record in read_all(bootstrap, alerts)]
    by_claim = {scored.claim_id: scored for scored in found}
    count = max(1, len(by_claim))
    return Verdict(
        len(found),
        len(by_claim),
        sum(scored.fraud_probability for scored in by_claim.values()) / count,
        sum(scored.fraudulent for scored in by_claim.values()) / count,
    )
