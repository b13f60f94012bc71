"""The random control sample: claims that are investigated whatever their score."""

from collections.abc import Iterable
from hashlib import blake2b


def control_sample(claim_ids: Iterable[str], share: float) -> list[bool]:
    """Whether each claim is in the sample; the same in every process and at every time.

    It depends on the id and on nothing else, so a claim that is scored again stays in the sample,
    and a larger sample contains the smaller one.

    Args:
        claim_ids: of the claims.
        share: of all claims, 0 to 1.
    """
    if share >= 1:
        return [True for _ in claim_ids]
    below = int(share * 2**64).to_bytes(8)
    return [blake2b(claim_id.encode()).digest() < below for claim_id in claim_ids]
