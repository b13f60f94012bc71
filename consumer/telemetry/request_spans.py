"""A span for each scoring request, in the trace of its sender."""

from http import HTTPStatus
from typing import Any, Final

from falcon.asgi import Request, Response
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACED: Final = "/fraud-detection"
"""Probes, scrapes and the page get no span."""

_propagator: Final = TraceContextTextMapPropagator()


class TraceRequests:
    """Starts a span when a request starts and ends it with the status of the response."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def process_request(self, request: Request, response: Response) -> None:
        """Called by Falcon before each request."""
        if request.path != TRACED:
            return
        # An unknown method could be anything: it is not used in the name.
        method = request.method if request.method in {"GET", "POST", "OPTIONS"} else "_OTHER"
        request.context.span = self._tracer.start_span(
            f"{method} {TRACED}",
            context=_propagator.extract(request.headers_lower),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": TRACED},
        )

    async def process_response(
        self, request: Request, response: Response, resource: Any, succeeded: bool
    ) -> None:
        """Called by Falcon after each request."""
        span: Span | None = getattr(request.context, "span", None)
        if span is None:
            return
        status = HTTPStatus(response.status_code)
        span.set_attribute("http.response.status_code", status.value)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR, status.phrase))
        span.end()
