"""A span for each scoring request, in the trace of its sender."""

from pathlib import Path

import httpx
import pytest

from tests.http.running import running
from tests.otlp import receiving

pytestmark = pytest.mark.slow

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
JSON = {"content-type": "application/json"}
SERVER = 2
ERROR = 2


def test_requests_are_traced_and_sent_at_the_end(model_dir: Path) -> None:
    with receiving() as found:
        environ = {**found.environ, "API_TOKEN": "a-token-of-16-or-more"}
        with running(model_dir, **environ) as server:
            bearer = {**JSON, "authorization": "Bearer a-token-of-16-or-more"}
            joined = {**bearer, "traceparent": f"00-{TRACE}-{PARENT}-01"}
            body = b'{"claim_id": "secret-claim", "claimant_name": "secret-name"}'
            with httpx.Client(base_url=server.url, timeout=30) as client:
                answers = [
                    client.post("/fraud-detection", content=body, headers=joined),
                    client.post("/fraud-detection", content=b"{", headers=bearer),
                    client.post("/fraud-detection", content=body, headers=JSON),
                    client.delete("/fraud-detection", headers=bearer),
                    client.get("/healthz"),
                    client.get("/metrics", headers=bearer),
                ]
            assert [a.status_code for a in answers] == [200, 400, 401, 405, 200, 200]
            assert server.stop() == 0
        spans = [sent.span for sent in found.spans]
        codes = [sent.attributes["http.response.status_code"] for sent in found.spans]
    assert codes == [200, 400, 401, 405]
    assert [s.name for s in spans] == ["POST /fraud-detection"] * 3 + ["_OTHER /fraud-detection"]
    assert {s.kind for s in spans} == {SERVER}
    assert (spans[0].trace_id.hex(), spans[0].parent_span_id.hex()) == (TRACE, PARENT)
    assert spans[1].parent_span_id == b""
    assert len({s.trace_id for s in spans}) == 4
    assert all(s.status.code != ERROR for s in spans), "what the client did wrong is not our error"
    assert found.spans[0].resource["service.name"] == "claims-fraud-scorer"
    assert b"secret" not in found.raw
