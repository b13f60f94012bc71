"""Arrays of claims over HTTP: an answer for each in their order; a fault of one is only its own."""

import datetime as dt
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from consumer.batch.alerts import BatchScorer, fraud_alerts
from consumer.batch.decode import decode
from consumer.batch.process import are_probabilities, checked_assessment
from consumer.server.problem import ProblemError
from schemas.alert import FraudAlert
from schemas.answer import Problem, Verdict
from schemas.dead_letter import Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError, parse
from schemas.openapi import MAX_CLAIMS

MAX_ARRAY_BYTES: Final = 16_000_000
STATUS_OF: Final = {
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""Every other reason is a bad request."""

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])


def is_array(beginning: bytes) -> bool:
    """True if a body that begins like this is an array."""
    return beginning.lstrip(b" \t\r\n").startswith(b"[")


def status_of(refused: RefusedError) -> HTTPStatus:
    """The status that says why a claim is refused."""
    return STATUS_OF.get(refused.reason, HTTPStatus.BAD_REQUEST)


def answers(body: bytes, scorer: BatchScorer, *, detail: bool) -> list[Any]:
    """A verdict, an alert if `detail`, or a problem for each claim of an array.

    Raises:
        ProblemError: it is no array, or has no claim or more than `MAX_CLAIMS`.
    """
    found = [_claim(item, scorer.decoder) for item in _items(body)]
    claims = [item for item in found if not isinstance(item, Problem)]
    answered = told(claims, scorer, detail=detail) if claims else iter(())
    return [item if isinstance(item, Problem) else next(answered) for item in found]


def _items(body: bytes) -> Sequence[msgspec.Raw]:
    try:
        items: list[msgspec.Raw] = parse(_array, body, "$")
    except RefusedError as refused:
        raise ProblemError(status_of(refused), str(refused), refused.path) from None
    if not 1 <= len(items) <= MAX_CLAIMS:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"an array has 1 to {MAX_CLAIMS:,} claims, not {len(items):,}",
            "$",
        )
    return items


def _claim(item: msgspec.Raw, decoder: ClaimDecoder) -> Any:
    """The claim, or the problem with it; its path is that in the claim, as of a claim alone."""
    try:
        return decode(bytes(item), (), decoder).claim
    except RefusedError as refused:
        status = status_of(refused)
        return Problem(status.phrase, status.value, str(refused), refused.path)


def told(
    claims: Sequence[Any], scorer: BatchScorer, *, detail: bool
) -> Iterator[FraudAlert] | Iterator[Verdict]:
    """An alert, or else a verdict, for each claim; one evaluation for all.

    Raises:
        ValueError: the model does not answer one probability for each claim.
    """
    if detail:
        assessment = checked_assessment(claims, scorer)
        nowhere = [None] * len(claims)
        return fraud_alerts(claims, nowhere, assessment, scorer, dt.datetime.now(dt.UTC))
    p = scorer.score(claims)
    if not are_probabilities(p, len(claims)):
        raise ValueError(
            f"model {scorer.name} {scorer.version} did not answer a probability for each claim"
        )
    return (Verdict(one >= scorer.threshold, one) for one in p.tolist())
