"""Spans of batches, kept in memory; and what TRACING asks for."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from consumer.batch.process import process
from consumer.errors import AbortedError, SettingsError
from consumer.session.session import Aborted
from consumer.settings.otel import ENDPOINTS, PROTOCOLS
from consumer.settings.settings import Settings, Tracing, read_settings
from consumer.telemetry.spans import MAX_LINKS, Spans, otlp_provider, span_context
from consumer.telemetry.tracing import UNTRACED, traced
from schemas.claim import Claim, Role, fields_by_role
from schemas.dead_letter import Header
from tests.consumer.fakes import NOW, FakeScorer, claim
from tests.consumer.working import FakeSession, Made
from tests.harness.kafka import FakeMessage

SETTINGS = Settings(instance_id="w7", consumer_group="g")
SCORER: Any = FakeScorer()


def parent(number: int) -> str:
    return f"00-{number + 1:032x}-{number + 1:016x}-01"


def sent(number: int, offset: int = 0, value: bytes | None = None) -> FakeMessage:
    headers: list[Header] = [("traceparent", parent(number).encode())]
    return FakeMessage(value or claim(f"c{number}"), offset, headers=headers)


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(memory: InMemorySpanExporter) -> Iterator[Spans]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    yield Spans(provider, SETTINGS)
    provider.shutdown()


def ended(memory: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    return memory.get_finished_spans()


def test_a_committed_batch(spans: Spans, memory: InMemorySpanExporter) -> None:
    batch = [sent(1, 0, claim("a", 900.0)), sent(2, 1), sent(3, 2, b"{")]
    trace = spans.batch(batch)
    trace.scored(process(batch, SCORER, NOW), SCORER)
    assert ended(memory) == (), "a span ends with its transaction, not before"
    trace.committed(time.time())
    assert not spans._open, "what is committed is not kept"
    (span,) = ended(memory)
    assert span.name == "score claims"
    assert span.status.status_code is StatusCode.OK
    attributes = dict(span.attributes or {})
    expected = {
        "messaging.system": "kafka",
        "messaging.destination.name": "claims",
        "messaging.consumer.group.name": "g",
        "messaging.batch.message_count": 3,
        "scorer.claims": 2,
        "scorer.alerts": 2,
        "scorer.referrals": 1,
        "scorer.dead_letters": 1,
        "scorer.model.name": "fake",
        "scorer.model.version": "1",
        "scorer.delivery": "exactly-once",
    }
    assert {name: attributes.get(name) for name in expected} == expected
    assert span.parent is None
    assert [link.context.trace_id for link in span.links] == [2, 3, 4]
    assert [event.name for event in span.events] == ["scored"]
    spans.close()
    assert len(ended(memory)) == 1


def test_an_abort_ends_every_batch_under_way(spans: Spans, memory: InMemorySpanExporter) -> None:
    done = spans.batch([sent(0)])
    spans.batch([sent(1)])
    spans.batch([sent(2)])
    done.committed(time.time())
    spans.aborted("_STATE: fenced")
    states = [(s.status.status_code, s.status.description) for s in ended(memory)]
    assert states[0] == (StatusCode.OK, None)
    assert states[1:] == [(StatusCode.ERROR, "aborted: _STATE: fenced")] * 2
    spans.aborted("again")
    assert len(ended(memory)) == 3


def test_what_is_under_way_at_the_end_was_not_committed(
    spans: Spans, memory: InMemorySpanExporter
) -> None:
    spans.batch([sent(1)])
    spans.close()
    (span,) = ended(memory)
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "aborted: stopped before the commit"


def test_links_are_bounded_and_each_span_is_linked_once(
    spans: Spans, memory: InMemorySpanExporter
) -> None:
    batch = [sent(number // 2, number) for number in range(4 * MAX_LINKS)]
    spans.batch(batch).committed(time.time())
    (span,) = ended(memory)
    assert [link.context.span_id for link in span.links] == list(range(1, MAX_LINKS + 1))


@pytest.mark.parametrize(
    "traceparent",
    [
        b"",
        b"x",
        b"\xff\xfe",
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
        b"00-" + b"1" * 32 + b"-" + b"0" * 16 + b"-01",
        b"ff-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01",
        None,
    ],
)
def test_a_wrong_traceparent_is_no_link(traceparent: bytes | None) -> None:
    assert span_context([("traceparent", traceparent)]) is None


def test_the_vendors_part_comes_along() -> None:
    found = span_context([("tracestate", "rojo=1,congo=2"), ("traceparent", parent(4))])
    assert found is not None
    assert (found.trace_id, found.span_id, found.is_remote) == (5, 5, True)
    assert dict(found.trace_state) == {"rojo": "1", "congo": "2"}


class Unreadable(FakeMessage):
    def headers(self) -> Any:
        raise SystemError from UnicodeDecodeError("utf-8", b"\xff", 0, 1, "start")


def test_headers_that_cannot_be_read_are_no_links(
    spans: Spans, memory: InMemorySpanExporter
) -> None:
    spans.batch([Unreadable(b"x"), sent(1)]).committed(time.time())
    assert len(ended(memory)[0].links) == 1


def test_nothing_of_a_claim_is_in_a_span(spans: Spans, memory: InMemorySpanExporter) -> None:
    texts = [*fields_by_role(Role.PERSONAL), *fields_by_role(Role.IDENTIFIER)]
    words = {name: f"secret-{name}" for name in texts if not name.startswith("capital_")}
    value = json.dumps(words).encode()
    key, headers = b"secret-key", [("secret-name", b"secret-header")]
    batch = [
        FakeMessage(value, 0, key=key, headers=[*headers]),
        FakeMessage(b'{"claim_id": 3, "loss_state": "secret-state"}', 1, key=key),
    ]
    assert msgspec.json.decode(value, type=Claim).claim_id == "secret-claim_id"
    trace = spans.batch(batch)
    outcome = process(batch, SCORER, NOW)
    assert (len(outcome.alerts), len(outcome.dead_letters)) == (1, 1)
    trace.scored(outcome, SCORER)
    spans.aborted("fenced")
    (span,) = ended(memory)
    assert "secret" not in span.to_json()


def test_the_worker_reports_an_abort(spans: Spans, memory: InMemorySpanExporter) -> None:
    made = Made(FakeSession([sent(1)]), spans)
    made.session.accepts = False
    made.turns(1)
    made.session.due = [Aborted(AbortedError("_TIMED_OUT: too late"))]
    made.turns(1)
    (span,) = ended(memory)
    assert span.status.description == "aborted: _TIMED_OUT: too late"
    assert (span.attributes or {})["scorer.claims"] == 1


def test_names_from_the_environment_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

    def resource() -> dict[str, Any]:
        provider = otlp_provider(SETTINGS)
        provider.shutdown()
        return dict(provider.resource.attributes)

    assert resource()["service.name"] == "claims-fraud-scorer"
    assert resource()["service.instance.id"] == "w7"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "scoring")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    assert resource()["service.name"] == "scoring"
    assert resource()["deployment.environment.name"] == "test"


WRONG = [
    *((name, text) for name in ENDPOINTS for text in ("collector:4318", "grpc://c:1", "http://")),
    *((name, text) for name in PROTOCOLS for text in ("grpc", "http/json")),
    ("OTEL_TRACES_SAMPLER", "sometimes"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
    ("OTEL_BSP_SCHEDULE_DELAY", "abc"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ("OTEL_BSP_EXPORT_TIMEOUT", "-1"),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_variable_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}\b") as refused:
        read_settings({"TRACING": "otlp", name: text})
    assert refused.value.exit_code == 2
    assert read_settings({name: text}).tracing is Tracing.OFF, "of no concern while it is off"


def test_right_variables_are_taken() -> None:
    read_settings(
        {
            "TRACING": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example:4318",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        }
    )


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "consumer.telemetry.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = msgspec.structs.replace(SETTINGS, tracing=Tracing.OTLP)
    with (
        pytest.raises(
            SettingsError, match=r"^TRACING=otlp needs the extra 'tracing' \(pip .*extras\.lock\)"
        ),
        traced(settings),
    ):
        pass


def test_off_is_nothing() -> None:
    with traced(SETTINGS) as traces:
        assert traces is UNTRACED
        assert traces.middleware() == []
