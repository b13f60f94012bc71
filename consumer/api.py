"""The HTTP endpoints: operations beside the worker, and POST /fraud-detection."""

import datetime as dt
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from falcon import HTTPError
from falcon.asgi import App, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumer.batch import BatchScorer, fraud_alert
from consumer.decode import MAX_CLAIM_BYTES, RefusedError, decode
from consumer.health import Health
from consumer.metrics import Metrics
from schemas.dead_letter import Reason

PROBLEM_JSON: Final = "application/problem+json"
STATUS_OF: Final = {
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a scored claim."""

    fraudulent: bool
    fraud_probability: float


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 writes it; `path` is the JSON path of the fault."""

    title: str
    status: int
    detail: str = ""
    path: str = ""


class ProblemError(HTTPError):
    """An error that is answered as problem+json."""

    def __init__(self, status: HTTPStatus, detail: str, path: str = "") -> None:
        super().__init__(status.value, title=status.phrase, description=detail)
        self.path = path


_encoder: Final = msgspec.json.Encoder()


def write_problem(_: Request, response: Response, error: HTTPError) -> None:
    """Serialise any HTTP error as problem+json."""
    status = error.status_code
    title = error.title or HTTPStatus(status).phrase
    path = error.path if isinstance(error, ProblemError) else ""
    response.content_type = PROBLEM_JSON
    response.data = _encoder.encode(Problem(title, status, error.description or "", path))


class Check:
    """GET /healthz or /readyz: 200, or 503 with the reason."""

    def __init__(self, fault: Callable[[], str | None]) -> None:
        self._fault = fault

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer the state."""
        fault = self._fault()
        response.status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
        response.content_type = "text/plain; charset=utf-8"
        response.text = fault or "ok"


class Scrape:
    """GET /metrics for Prometheus."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer every instrument in the text format."""
        response.content_type = CONTENT_TYPE_LATEST
        response.data = generate_latest(self._metrics.registry)


class FraudDetection:
    """POST /fraud-detection: one claim as JSON."""

    def __init__(self, scorer: Callable[[], BatchScorer], metrics: Metrics) -> None:
        self._scorer = scorer
        self._metrics = metrics

    async def on_post(self, request: Request, response: Response) -> None:
        """Answer whether the claim is fraudulent and how probable that is."""
        body = await self._body(request)
        with self._metrics.request_seconds.time():
            response.data = self._answer(body, detail=request.get_param_as_bool("detail") or False)
        response.content_type = "application/json"

    @staticmethod
    async def _body(request: Request) -> bytes:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the claim as application/json"
            )
        too_large = ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a claim has at most {MAX_CLAIM_BYTES} bytes"
        )
        if (request.content_length or 0) > MAX_CLAIM_BYTES:
            raise too_large
        body: bytes = await request.stream.read(MAX_CLAIM_BYTES + 1)
        if len(body) > MAX_CLAIM_BYTES:
            raise too_large
        return body

    def _answer(self, body: bytes, *, detail: bool) -> bytes:
        try:
            claim = decode(body)
        except RefusedError as refused:
            status = STATUS_OF.get(refused.reason, HTTPStatus.BAD_REQUEST)
            raise ProblemError(status, str(refused), refused.path) from None
        scorer = self._scorer()
        probability = float(scorer.score([claim])[0])
        if detail:
            now = dt.datetime.now(dt.UTC)
            return _encoder.encode(fraud_alert(claim, probability, scorer, now, source=None))
        return _encoder.encode(Verdict(probability >= scorer.threshold, probability))


class CountRequests:
    """Counts every answer by its status."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.requests

    async def process_response(
        self, _: Request, response: Response, resource: Any, succeeded: bool
    ) -> None:
        """Called by Falcon after each request."""
        self._requests.labels(str(response.status_code)).inc()


def operations_app(metrics: Metrics, health: Health) -> App[Request, Response]:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    app = App(middleware=[CountRequests(metrics)])
    app.set_error_serializer(write_problem)
    app.add_route("/healthz", Check(health.unhealthy))
    app.add_route("/readyz", Check(health.unready))
    app.add_route("/metrics", Scrape(metrics))
    return app


def scoring_app(
    scorer: Callable[[], BatchScorer], metrics: Metrics, health: Health
) -> App[Request, Response]:
    """The operations endpoints and ``POST /fraud-detection``."""
    app = operations_app(metrics, health)
    app.add_route("/fraud-detection", FraudDetection(scorer, metrics))
    return app
