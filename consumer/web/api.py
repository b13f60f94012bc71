"""The HTTP endpoint: POST /fraud-detection, its OpenAPI document and its page."""

import datetime as dt
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Any, Final

import falcon
import msgspec
from falcon.asgi import Request, Response

from consumer.batch.alerts import BatchScorer, fraud_alerts
from consumer.batch.decode import MAX_CLAIM_BYTES, RefusedError, decode
from consumer.batch.process import checked_assessment
from consumer.server.limits import PROBES
from consumer.server.problem import ProblemError
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.access import BearerToken
from consumer.web.operations import Application, operations_app
from consumer.web.page import Page
from schemas.answer import Verdict
from schemas.claim import Claim
from schemas.dead_letter import Reason

DOCUMENT: Final = resources.files("schemas") / "json" / "openapi.json"
JSON: Final = "application/json"
CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
STATUS_OF: Final = {
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""Every other reason is a bad request."""
BOOLEANS: Final = {"true": True, "false": False}
FREE: Final = ("/", *PROBES)
"""Paths that need no token: the page contains no data."""

_encoder: Final = msgspec.json.Encoder()


class FraudDetection:
    """POST /fraud-detection: one claim as JSON."""

    def __init__(self, scorer: Callable[[], BatchScorer], metrics: ServingMetrics) -> None:
        self._scorer = scorer
        self._metrics = metrics

    async def on_post(self, request: Request, response: Response) -> None:
        """Answer whether the claim is fraudulent and with what probability."""
        detail = _wants_detail(request)
        body = await _body(request)
        with self._metrics.request_seconds.time():
            response.data = self._answer(body, detail=detail)
        response.content_type = JSON

    def _answer(self, body: bytes, *, detail: bool) -> bytes:
        claim = _claim(body)
        scorer = self._scorer()
        if detail:
            now = dt.datetime.now(dt.UTC)
            assessment = checked_assessment([claim], scorer)
            return _encoder.encode(*fraud_alerts([claim], [None], assessment, scorer, now))
        probability = float(scorer.score([claim])[0])
        if not 0 <= probability <= 1:
            raise ValueError(f"model {scorer.name} {scorer.version} answered {probability}")
        return _encoder.encode(Verdict(probability >= scorer.threshold, probability))


def _wants_detail(request: Request) -> bool:
    wanted = request.get_param_as_list("detail") or ["false"]
    if len(wanted) > 1 or wanted[0] not in BOOLEANS:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "detail must be true or false, and given once")
    return BOOLEANS[wanted[0]]


async def _body(request: Request) -> bytes:
    """The bytes of the claim; reads no more than a claim may contain."""
    media_type, parameters = falcon.parse_header(request.content_type or "")
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
    body: bytes = b""
    if (request.content_length or 0) <= MAX_CLAIM_BYTES:
        body = await request.stream.read(MAX_CLAIM_BYTES + 1)
        if len(body) <= MAX_CLAIM_BYTES:
            return body
    raise ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a claim may have at most {MAX_CLAIM_BYTES} bytes"
    )


def _claim(body: bytes) -> Claim:
    try:
        return decode(body)
    except RefusedError as refused:
        status = STATUS_OF.get(refused.reason, HTTPStatus.BAD_REQUEST)
        raise ProblemError(status, str(refused), refused.path) from None


class OpenApiDocument:
    """GET /openapi.json."""

    def __init__(self) -> None:
        self._document = DOCUMENT.read_bytes()

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer the generated document."""
        response.content_type = JSON
        response.data = self._document

    on_head = on_get


def scoring_app(
    scorer: Callable[[], BatchScorer],
    metrics: ServingMetrics,
    health: Health,
    token: str | None = None,
    *before: Any,
) -> Application:
    """The operations endpoints, ``POST /fraud-detection``, its OpenAPI document and its page.

    Args:
        scorer: the model to score the next claim with.
        metrics: where counts go.
        health: what the probes answer.
        token: required in each request; None requires nothing.
        before: additional middleware, run before the token is checked.
    """
    access = [BearerToken(token, FREE)] if token else []
    app = operations_app(metrics, health, *before, *access)
    app.add_route("/fraud-detection", FraudDetection(scorer, metrics))
    app.add_route("/openapi.json", OpenApiDocument())
    app.add_route("/", Page())
    return app
