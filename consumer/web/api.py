"""The HTTP endpoint: POST /fraud-detection, its OpenAPI document and its page."""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import falcon
import msgspec
from falcon.asgi import Request, Response

from consumer.batch.alerts import BatchScorer
from consumer.batch.decode import Decoded, decode
from consumer.batch.records import Record
from consumer.server.limits import PROBES
from consumer.server.problem import ProblemError
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.access import BearerToken
from consumer.web.batches import (
    MAX_ARRAY_BYTES,
    MAX_ARRAYS,
    RecallPosted,
    answers,
    is_array,
    nothing_recalled,
    status_of,
)
from consumer.web.forwarding import Forwarding, record_of, trace_of
from consumer.web.operations import Application, operations_app
from consumer.web.page import Page
from consumer.web.together import Together
from consumer.web.turns import Turns
from schemas.claim_form import form_of
from schemas.dead_letter import Header
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.decoding.size import MAX_CLAIM_BYTES
from schemas.decoding.unknown import UnknownFields
from schemas.openapi import openapi

JSON: Final = "application/json"
CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
LONGEST_TYPE: Final = 256
"""Characters of a Content-Type: the cost of parsing it grows with the square of its length."""
BEGINNING: Final = 64
"""Bytes within which an array must begin; after more blanks it counts as an invalid claim."""
BOOLEANS: Final = {"true": True, "false": False}
FREE: Final = ("/", *PROBES)
"""Paths that need no token: the page contains no data."""

_encoder: Final = msgspec.json.Encoder()


class FraudDetection:
    """POST /fraud-detection: one claim as JSON, or an array of them."""

    def __init__(
        self,
        scorer: Callable[[], BatchScorer],
        metrics: ServingMetrics,
        unknown: UnknownFields = UnknownFields.FLAG,
        forwarding: Forwarding | None = None,
        recall: RecallPosted = nothing_recalled,
    ) -> None:
        self._scorer = scorer
        self._recall = recall
        self._metrics = metrics
        self._unknown = unknown
        self._forwarding = forwarding
        self._arrays = Turns(MAX_ARRAYS)
        self._together = Together(recall)

    async def on_post(self, request: Request, response: Response) -> None:
        """Answer whether each claim is fraudulent and with what probability."""
        detail = _wants_detail(request)
        body = await _body(request)
        with self._metrics.request_seconds.time():
            if is_array(body):
                response.data = await self._array(body, trace_of(request), detail=detail)
            else:
                response.data = await self._one(body, trace_of(request), detail=detail)
        response.content_type = JSON

    async def _array(self, body: bytes, trace: Sequence[Header], *, detail: bool) -> bytes:
        records: list[Record] = []

        def read(event: bytes, decoder: ClaimDecoder) -> Decoded:
            found = self._read(event, decoder)
            if self._forwarding is not None:
                records.append(record_of(event, found, decoder.contract, trace))
            return found

        async with self._arrays.one():
            found = await answers(body, self._scorer(), read, self._recall, detail=detail)
        # Outside the turn: an array that waits for Kafka does not hold up the others.
        if self._forwarding is not None:
            found = await self._forwarding.each(records, found)
        return _encoder.encode(found)

    async def _one(self, body: bytes, trace: Sequence[Header], *, detail: bool) -> bytes:
        scorer = self._scorer()
        try:
            claim = self._read(body, scorer.decoder)
        except RefusedError as refused:
            raise ProblemError(status_of(refused), str(refused), refused.path) from None
        found = await self._together.told(claim, scorer, detail=detail)
        # After the score: a claim that breaks the model would stop the workers too.
        if self._forwarding is not None:
            await self._forwarding.one(record_of(body, claim, scorer.decoder.contract, trace))
        return _encoder.encode(found)

    def _read(self, body: bytes, decoder: ClaimDecoder) -> Decoded:
        """One claim; its unknown fields are counted."""
        found = decode(body, (), decoder, self._unknown)
        self._metrics.count_unknown([found.unknown_fields])
        return found


def _wants_detail(request: Request) -> bool:
    wanted = request.get_param_as_list("detail") or ["false"]
    if len(wanted) > 1 or wanted[0] not in BOOLEANS:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "detail must be true or false, and given once")
    return BOOLEANS[wanted[0]]


async def _body(request: Request) -> bytes:
    """The bytes of a claim or an array; reads no more than one may contain."""
    stated = request.content_type or ""
    if len(stated) > LONGEST_TYPE:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send the claim as {JSON}; a Content-Type may have at most {LONGEST_TYPE} characters",
        )
    media_type, parameters = falcon.parse_header(stated)
    if media_type.strip().lower() != JSON:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the claim as {JSON}")
    charset = parameters.get("charset", "utf-8").lower()
    if charset not in CHARSETS:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"JSON is UTF-8; {charset[:40]!r} is not supported"
        )
    coding = (request.get_header("Content-Encoding") or "identity").strip().lower()
    if coding != "identity":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send the claim without Content-Encoding; {coding[:40]!r} is not supported",
            headers={"Accept-Encoding": "identity"},
        )
    beginning: bytes = await request.stream.read(BEGINNING)
    what, limit = ("a claim", MAX_CLAIM_BYTES)
    if is_array(beginning):
        what, limit = ("an array of claims", MAX_ARRAY_BYTES)
    if (request.content_length or 0) <= limit:
        body: bytes = beginning + await request.stream.read(limit + 1 - len(beginning))
        if len(body) <= limit:
            return body
    raise ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{what} may have at most {limit} bytes"
    )


class OpenApiDocument:
    """GET /openapi.json: the document for claims of the model in service."""

    def __init__(self, scorer: Callable[[], BatchScorer], *, page: bool = True) -> None:
        """Document the endpoint for the model of `scorer`, with or without the page."""
        self._scorer = scorer
        self._page = page
        self._of: ClaimDecoder | None = None
        self._document = b""

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer with the generated document."""
        decoder = self._scorer().decoder
        if self._of is not decoder:
            found = openapi(form_of(decoder), page=self._page)
            self._document = json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n"
            self._of = decoder
        response.content_type = JSON
        response.data = self._document

    on_head = on_get


def scoring_app(
    scorer: Callable[[], BatchScorer],
    metrics: ServingMetrics,
    health: Health,
    token: str | None = None,
    *before: Any,
    unknown: UnknownFields = UnknownFields.FLAG,
    forwarding: Forwarding | None = None,
    recall: RecallPosted = nothing_recalled,
) -> Application:
    """The operations endpoints, ``POST /fraud-detection``, its OpenAPI document and its page.

    Args:
        scorer: the model to score the next claim with.
        metrics: where counts go.
        health: what the probes answer.
        token: required in each request; None requires nothing.
        before: additional middleware, run before the token is checked.
        unknown: what to do with fields that the contract does not know.
        forwarding: produces posted claims to Kafka. There is no page then: whatever is tried there
            would become a claim.
        recall: looks up what is known about the people and things in posted claims.
    """
    access = [BearerToken(token, FREE)] if token else []
    app = operations_app(metrics, health, *before, *access)
    scoring = FraudDetection(scorer, metrics, unknown, forwarding, recall)
    app.add_route("/fraud-detection", scoring)
    app.add_route("/openapi.json", OpenApiDocument(scorer, page=forwarding is None))
    if forwarding is None:
        app.add_route("/", Page(scorer))
    return app
