"""Arrays of claims over HTTP: one answer each, in order; a fault in one affects no other."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from consumer.batch.alerts import BatchScorer, fraud_alerts
from consumer.batch.decode import Decoded
from consumer.batch.process import are_probabilities, checked_assessment
from consumer.batch.recalled import Recalled
from consumer.server.problem import ProblemError
from schemas.alert import FraudAlert
from schemas.answer import Problem, Verdict
from schemas.dead_letter import Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError, parse
from schemas.openapi import MAX_CLAIMS

MAX_ARRAY_BYTES: Final = 16_000_000
MAX_ARRAYS: Final = 16
"""Answered or waiting at once; beyond that, 503."""
PORTION: Final = 100
"""Claims evaluated before the event loop turns to other requests, such as probes."""
STATUS_OF: Final = {
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""Every other reason is a bad request."""

ReadJson = Callable[[bytes, ClaimDecoder], Decoded]
"""Reads one claim, given a contract."""
RecallPosted = Callable[[Sequence[Any], BatchScorer], Recalled | None]
"""What is known about posted claims; None for a model that asks for no history."""

_NO_ITEM: Final = msgspec.Raw(b"")
_array: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "Items",
        [(f"item{n}", msgspec.Raw, _NO_ITEM) for n in range(MAX_CLAIMS)],
        array_like=True,
        forbid_unknown_fields=True,
        gc=False,
    )
)
"""Stops at the first item too many: an array of two-byte items may have millions, and each would
be an object."""


def nothing_recalled(claims: Sequence[Any], scorer: BatchScorer) -> None:
    """Recall nothing: nothing is remembered."""


def is_array(beginning: bytes) -> bool:
    """True if a body that begins like this is an array."""
    return beginning.lstrip(b" \t\r\n").startswith(b"[")


def status_of(refused: RefusedError) -> HTTPStatus:
    """The status that says why a claim is refused."""
    return STATUS_OF.get(refused.reason, HTTPStatus.BAD_REQUEST)


async def answers(
    body: bytes,
    scorer: BatchScorer,
    read: ReadJson,
    recall: RecallPosted = nothing_recalled,
    *,
    detail: bool,
) -> list[Any]:
    """A verdict, an alert if `detail`, or a problem for each claim of an array.

    Other requests are answered between portions of it.

    Args:
        body: the array.
        scorer: the model.
        read: reads one claim.
        recall: looks up what is known about them.
        detail: answer with alerts.

    Raises:
        ProblemError: it is not an array, or has no claims or more than `MAX_CLAIMS`.
    """
    items = items_of(body)
    found: list[Any] = []
    for start in range(0, len(items), PORTION):
        await asyncio.sleep(0)
        portion = items[start : start + PORTION]
        found += _portion(portion, scorer, read, recall, detail=detail)
    return found


def _portion(
    items: Sequence[msgspec.Raw],
    scorer: BatchScorer,
    read: ReadJson,
    recall: RecallPosted,
    *,
    detail: bool,
) -> list[Any]:
    found = [_claim(item, scorer.decoder, read) for item in items]
    claims = [item for item in found if not isinstance(item, Problem)]
    answered = told(claims, scorer, recall, detail=detail) if claims else iter(())
    return [item if isinstance(item, Problem) else next(answered) for item in found]


def items_of(body: bytes) -> Sequence[msgspec.Raw]:
    """The items of an array; the memory for them is bounded.

    Raises:
        ProblemError: it is not an array, or has no items or more than `MAX_CLAIMS`.
    """
    try:
        slots = msgspec.structs.astuple(parse(_array, body, "$"))
    except RefusedError as refused:
        if refused.reason is Reason.INVALID:  # for an array, only its length can be
            raise _not_so_many(f"{MAX_CLAIMS + 1:,} or more") from None
        raise ProblemError(status_of(refused), str(refused), refused.path) from None
    if slots[0] == _NO_ITEM:
        raise _not_so_many("0")
    return slots if slots[-1] != _NO_ITEM else slots[: slots.index(_NO_ITEM)]


def _not_so_many(count: str) -> ProblemError:
    detail = f"an array has 1 to {MAX_CLAIMS:,} claims, not {count}"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "$")


def _claim(item: msgspec.Raw, decoder: ClaimDecoder, read: ReadJson) -> Decoded | Problem:
    """The claim, or the problem with it; its path is within the claim, as for a single one."""
    try:
        return read(bytes(item), decoder)
    except RefusedError as refused:
        status = status_of(refused)
        return Problem(status.phrase, status.value, str(refused), refused.path)


def told(
    found: Sequence[Decoded],
    scorer: BatchScorer,
    recall: RecallPosted = nothing_recalled,
    *,
    detail: bool,
) -> Iterator[FraudAlert] | Iterator[Verdict]:
    """An alert if `detail`, otherwise a verdict, for each claim; one evaluation for all.

    Raises:
        ValueError: the model does not return one probability for each claim.
    """
    claims = [one.claim for one in found]
    recalled = recall(claims, scorer)
    histories = None if recalled is None else recalled.histories
    if detail:
        assessment = checked_assessment(claims, scorer, histories)
        nowhere = [None] * len(claims)
        unknown = [one.unknown_fields for one in found]
        now = dt.datetime.now(dt.UTC)
        return fraud_alerts(claims, nowhere, assessment, scorer, now, unknown, recalled)
    p = scorer.score(claims, histories)
    if not are_probabilities(p, len(claims)):
        raise ValueError(
            f"model {scorer.name} {scorer.version} did not answer a probability for each claim"
        )
    return (Verdict(one >= scorer.threshold, one) for one in p.tolist())
