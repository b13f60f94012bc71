"""OpenTelemetry spans: one per batch, linked to the traces of its claims; one per request.

A batch would have many parents, so it has none: its span starts its own trace and has links to the
spans that sent its claims, as the semantic conventions for messaging recommend for batches. Spans
carry counts, names and versions, but nothing of a claim's content.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consumer.batch.alerts import TRACE_HEADERS
from consumer.batch.decode import headers_of
from consumer.batch.process import Outcome
from consumer.batch.records import Message
from consumer.settings.settings import Settings
from consumer.telemetry.request_spans import TraceRequests
from consumer.telemetry.tracing import BatchTrace
from model.scoring.scorer import Scorer
from schemas.dead_letter import Header
from schemas.decoding.refusal import RefusedError

SERVICE: Final = "claims-fraud-scorer"
MAX_LINKS: Final = 128
"""Links of one span; also the SDK's own limit by default."""

_propagator: Final = TraceContextTextMapPropagator()


def otlp_provider(settings: Settings) -> TracerProvider:
    """Sends spans in the background, as configured by the standard OTEL_* variables."""
    own = Resource({"service.name": SERVICE, "service.instance.id": settings.instance_id})
    named = own.merge(OTELResourceDetector().detect())
    provider = TracerProvider(
        resource=Resource.create(dict(named.attributes)), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Spans:
    """Traces as spans of a provider; see `consumer.telemetry.tracing.Traces`."""

    def __init__(self, provider: TracerProvider, settings: Settings) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)
        self._attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "score",
            "messaging.destination.name": settings.claims_topic,
            "messaging.consumer.group.name": settings.consumer_group,
            "messaging.client.id": settings.instance_id,
            "scorer.delivery": settings.delivery.value,
        }
        self._name = f"score {settings.claims_topic}"
        self._open: set[Span] = set()

    def batch(self, messages: Sequence[Message]) -> BatchTrace:
        """Start the span of a batch."""
        span = self._tracer.start_span(
            self._name,
            kind=SpanKind.CONSUMER,
            links=links(messages),
            attributes={**self._attributes, "messaging.batch.message_count": len(messages)},
        )
        self._open.add(span)
        return BatchSpan(span, self._open)

    def aborted(self, why: str) -> None:
        """End every open span: Kafka committed none of those batches."""
        while self._open:
            span = self._open.pop()
            span.set_status(Status(StatusCode.ERROR, f"aborted: {why}"))
            span.end()

    def middleware(self) -> list[TraceRequests]:
        """A span for each scoring request."""
        return [TraceRequests(self._tracer)]

    def close(self) -> None:
        """End all open spans and send them; waits at most 30 s, the library's own limit."""
        self.aborted("stopped before the commit")
        self._provider.shutdown()


class BatchSpan:
    """The span of one batch; see `consumer.telemetry.tracing.BatchTrace`."""

    def __init__(self, span: Span, under_way: set[Span]) -> None:
        self._span = span
        self._under_way = under_way

    def scored(self, outcome: Outcome, scorer: Scorer) -> None:
        """Record the results of the claims, and that scoring ended here."""
        self._span.add_event("scored")
        self._span.set_attributes(
            {
                "scorer.claims": len(outcome.claims),
                "scorer.alerts": len(outcome.alerts),
                "scorer.referrals": outcome.referred,
                "scorer.dead_letters": len(outcome.dead_letters),
                "scorer.model.name": scorer.name,
                "scorer.model.version": scorer.version,
            }
        )

    def committed(self, at_s: float) -> None:
        """End the span successfully."""
        self._under_way.discard(self._span)
        self._span.set_status(Status(StatusCode.OK))
        self._span.end(round(at_s * 1e9))


def links(messages: Iterable[Message]) -> list[Link]:
    """Links to the first `MAX_LINKS` distinct spans named by the records' headers."""
    found: dict[tuple[int, int], Link] = {}
    for message in messages:
        context = span_context(_headers(message))
        if context is not None:
            found.setdefault((context.trace_id, context.span_id), Link(context))
            if len(found) == MAX_LINKS:
                break
    return list(found.values())


def span_context(headers: Iterable[Header]) -> SpanContext | None:
    """The context in ``traceparent`` and ``tracestate``; None if they are missing or invalid.

    Source: W3C Trace Context, read by the library's own propagator.
    """
    carrier = dict(_texts(headers))
    if "traceparent" not in carrier:
        return None
    context = get_current_span(_propagator.extract(carrier)).get_span_context()
    return context if context.is_valid else None


def _headers(message: Message) -> list[Header]:
    try:
        return headers_of(message)
    except RefusedError:
        return []  # a dead letter; nothing more is known about it


def _texts(headers: Iterable[Header]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name in TRACE_HEADERS and value is not None:
            yield name, value if isinstance(value, str) else value.decode("latin-1")
