"""A small OTLP/HTTP receiver: keeps the spans that a process sends."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.serving import serving


class Sent(NamedTuple):
    """A span as it arrived."""

    span: Span
    resource: dict[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span.attributes)


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes by name."""
    pairs: list[KeyValue] = list(attributes)
    return {p.key: getattr(p.value, p.value.WhichOneof("value") or "") for p in pairs}


class Receiver:
    """The spans that arrived, and the address to send them to."""

    def __init__(self, port: int) -> None:
        self.spans: list[Sent] = []
        self.raw = b""
        self.environ = {
            "TRACING": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        }

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [Sent(span, about) for span in scope.spans]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive while the body runs."""

    class Post(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(self.path, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Post) as server:
        found = Receiver(server.server_address[1])
        with serving(server):
            yield found
