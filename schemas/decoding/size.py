"""How large a claim may be."""

from typing import Final

from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError

MAX_CLAIM_BYTES: Final = 1_000_000


def check_size(value: bytes) -> None:
    """Refuse a record that is too large without looking at it.

    Raises:
        RefusedError: it has more than `MAX_CLAIM_BYTES`.
    """
    if len(value) > MAX_CLAIM_BYTES:
        raise RefusedError(
            Reason.TOO_LARGE, f"{len(value)} bytes are more than a claim's {MAX_CLAIM_BYTES}"
        )
