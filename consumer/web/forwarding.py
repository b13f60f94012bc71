"""Posted claims are produced to Kafka before their scores are answered (API_FORWARD)."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from falcon.asgi import Request

from consumer.batch.alerts import TRACE_HEADERS
from consumer.batch.decode import Decoded
from consumer.batch.records import Record
from consumer.server.problem import ProblemError
from consumer.telemetry.metrics import ForwardingMetrics
from schemas.answer import Problem
from schemas.contract.model import Contract
from schemas.dead_letter import Header
from schemas.tables.events import key_of

RETRY: Final = {"Retry-After": "1"}


class Untaken(enum.StrEnum):
    """Why a posted claim is not known to be in the claims topic."""

    FULL = "full"
    """Too many are waiting: it was not sent."""
    TIMEOUT = "timeout"
    """There was no acknowledgement in time: it may be in the topic all the same."""
    TOO_LARGE = "too_large"
    """It does not fit the topic."""
    REFUSED = "refused"
    """Kafka refused it; the log says why."""


Take = Callable[[Sequence[Record]], Awaitable[Sequence[Untaken | None]]]
"""Produces records and waits, for a bounded time; None for each that is acknowledged."""

_ANSWERS: Final = {
    Untaken.FULL: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too many claims are waiting for Kafka; this one was not sent and is not scored: try again",
    ),
    Untaken.TIMEOUT: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Kafka did not acknowledge the claim in time, so no score is answered; it may be in the "
        "topic nevertheless. Send it again, with the same id",
    ),
    Untaken.TOO_LARGE: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the claim is larger than the claims topic accepts (its max.message.bytes; of this server, "
        "KAFKA_MESSAGE_MAX_BYTES)",
    ),
    Untaken.REFUSED: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Kafka refused the claim, so no score is answered; the reason is in the log of the server",
    ),
}


class Forwarding:
    """Answers with scores only for claims that are in the topic."""

    def __init__(self, take: Take, metrics: ForwardingMetrics) -> None:
        """Forward with `take`; counts go to `metrics`, by reason from the start."""
        self._take = take
        self._metrics = metrics
        self._under_way: set[asyncio.Task[Sequence[Untaken | None]]] = set()
        for reason in Untaken:
            metrics.failed.labels(reason.value)

    async def one(self, record: Record) -> None:
        """Forward one claim.

        Raises:
            ProblemError: 503, or 413: it is not known to be in the topic.
        """
        (reason,) = await self._taken([record])
        if reason is not None:
            raise _error(reason)

    async def each(self, records: Sequence[Record], answers: Sequence[Any]) -> list[Any]:
        """Forward the claims of an array, and withhold the answers of those that are not taken.

        Args:
            records: the valid claims.
            answers: one per item; a `Problem` for one that is not a valid claim.

        Raises:
            ProblemError: 503; none is known to be in the topic.
        """
        reasons = await self._taken(records)
        unavailable = [r for r in reasons if r is not None and r is not Untaken.TOO_LARGE]
        if unavailable and None not in reasons:
            # If any may be in the topic, say so: nobody should read that none was sent.
            raise _error(Untaken.TIMEOUT if Untaken.TIMEOUT in unavailable else unavailable[0])
        due = iter(reasons)
        return [a if isinstance(a, Problem) else _unless(next(due), a) for a in answers]

    async def _taken(self, records: Sequence[Record]) -> Sequence[Untaken | None]:
        if not records:
            return ()
        # A client that gives up cancels its request, and in an outage most do: they count too.
        task = asyncio.ensure_future(self._counted(records))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _counted(self, records: Sequence[Record]) -> Sequence[Untaken | None]:
        reasons = await self._take(records)
        for reason in reasons:
            if reason is None:
                self._metrics.forwarded.inc()
            else:
                self._metrics.failed.labels(reason.value).inc()
        return reasons


def _unless(reason: Untaken | None, answer: Any) -> Any:
    if reason is None:
        return answer
    status, detail = _ANSWERS[reason]
    return Problem(status.phrase, status.value, detail)


def _error(reason: Untaken) -> ProblemError:
    status, detail = _ANSWERS[reason]
    headers = RETRY if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return ProblemError(status, detail, headers=headers)


def record_of(event: bytes, found: Decoded, contract: Contract, trace: Sequence[Header]) -> Record:
    """The record of a claim: its bytes as received, under its contract's key."""
    return Record(key_of(contract, found.claim).encode(), event, list(trace))


def trace_of(request: Request) -> list[Header]:
    """A request's W3C Trace Context, unchanged, as record headers."""
    found = ((name, request.get_header(name)) for name in TRACE_HEADERS)
    return [(name, value.encode("latin-1")) for name, value in found if value is not None]
