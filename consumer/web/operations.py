"""The operations endpoints: health, readiness and metrics, next to the worker or the scorer."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from falcon.asgi import App, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumer.server.problem import write_problem
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ProcessMetrics

Application = App[Request, Response]


class Probe:
    """GET /healthz or /readyz: 200, or 503 with the reason."""

    def __init__(self, fault: Callable[[], str | None]) -> None:
        self._fault = fault

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer with the state."""
        fault = self._fault()
        response.status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
        response.content_type = "text/plain; charset=utf-8"
        response.text = fault or "ok"

    on_head = on_get


class Scrape:
    """GET /metrics for Prometheus."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        self._metrics = metrics
        self._turn = asyncio.Lock()

    async def on_get(self, _: Request, response: Response) -> None:
        """Answer with all metrics in the text format."""
        response.content_type = CONTENT_TYPE_LATEST
        async with self._turn:
            await asyncio.sleep(0)  # probes are answered between two of many scrapes
            response.data = generate_latest(self._metrics.registry)

    on_head = on_get


class CountRequests:
    """Counts every response by its status."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        self._metrics = metrics

    async def process_response(
        self, _: Request, response: Response, resource: Any, succeeded: bool
    ) -> None:
        """Called by Falcon after each request."""
        self._metrics.answered(response.status_code)


def operations_app(metrics: ProcessMetrics, health: Health, *before: Any) -> Application:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        metrics: what is scraped; every response is counted there too.
        health: what is checked.
        before: middleware, run before each request.
    """
    app: Application = App(middleware=[CountRequests(metrics), *before])
    app.set_error_serializer(write_problem)
    app.add_route("/healthz", Probe(health.unhealthy))
    app.add_route("/readyz", Probe(health.unready))
    app.add_route("/metrics", Scrape(metrics))
    return app
