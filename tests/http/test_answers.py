"""Responses of the endpoint to claims and to operators."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.batch.process import process
from model.scoring.load import load
from model.scoring.scorer import Scorer
from schemas import examples
from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.export import FOLDER
from tests.consumer.fakes import NOW, alert_of
from tests.harness.kafka import FakeMessage
from tests.http.running import running

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def scorer(model_dir: Path) -> Scorer:
    return load(model_dir)


def post(client: httpx.Client, claim: dict[str, Any] | bytes, **params: str) -> httpx.Response:
    body = claim if isinstance(claim, bytes) else json.dumps(claim).encode()
    return client.post("/fraud-detection", content=body, headers=JSON, params=params)


def test_the_answer_is_a_verdict_and_nothing_else(client: httpx.Client, scorer: Scorer) -> None:
    response = post(client, examples.REAR_END)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    claim = msgspec.convert(examples.REAR_END, Claim)
    probability = float(scorer.score([claim])[0])
    assert response.json() == {
        "fraudulent": probability >= scorer.threshold,
        "fraud_probability": probability,
    }


def test_verdicts_fall_on_both_sides_of_the_threshold(client: httpx.Client, scorer: Scorer) -> None:
    answers = [post(client, claim).json() for claim in examples.CLAIMS]
    assert {answer["fraudulent"] for answer in answers} == {True, False}
    for answer in answers:
        assert answer["fraudulent"] == (answer["fraud_probability"] >= scorer.threshold)


def test_detail_answers_the_whole_alert(client: httpx.Client, scorer: Scorer) -> None:
    response = post(client, examples.LATE_THEFT, detail="true")
    alert = msgspec.json.decode(response.content, type=FraudAlert)
    assert alert.claim_id == examples.LATE_THEFT["claim_id"]
    assert alert.model_sha256 == scorer.sha256
    assert alert.source is None
    verdict = post(client, examples.LATE_THEFT, detail="false").json()
    assert alert.fraud_probability == verdict["fraud_probability"]
    assert alert.fraudulent == verdict["fraudulent"]


def test_an_alert_holds_nothing_personal(client: httpx.Client) -> None:
    text = post(client, examples.PERSONAL_CLAIM, detail="true").text
    for name in ("claimant_name", "claimant_email", "loss_description", "marital_status"):
        assert str(examples.PERSONAL_CLAIM[name]) not in text


claims = st.fixed_dictionaries(
    {"claim_id": st.text("abc123", min_size=1, max_size=12)},
    optional={
        "claim_amount": st.floats(0, 1e6),
        "loss_date": st.dates().map(str),
        "report_date": st.dates().map(str),
        "past_claims": st.integers(0, 9),
        "vehicle_make": st.sampled_from(["Honda", "Mercedes", "Hoverworks"]),
        "fault": st.sampled_from(["policy holder", "third party"]),
        "policy_type": st.text(max_size=8),
        "witnesses": st.none() | st.integers(0, 5),
    },
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(claims)
def test_the_same_bytes_score_the_same_over_http_and_from_kafka(
    client: httpx.Client, scorer: Scorer, claim: dict[str, Any]
) -> None:
    body = json.dumps(claim).encode()
    (record,) = process([FakeMessage(body)], scorer, NOW).alerts
    published = alert_of(record)
    answered = post(client, body, detail="true")
    alert = msgspec.json.decode(answered.content, type=FraudAlert)
    # All but where the record lay and when it was scored.
    same = {"alert_id": "", "source": None, "scored_at": NOW}
    assert msgspec.structs.replace(alert, **same) == msgspec.structs.replace(published, **same)
    assert post(client, body).json()["fraud_probability"] == published.fraud_probability


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "utf8; version=1", "us-ascii"])
def test_the_media_type_may_have_a_charset(client: httpx.Client, charset: str) -> None:
    headers = {"content-type": f"Application/JSON; charset={charset}"}
    response = client.post("/fraud-detection", content=b'{"claim_id": "x"}', headers=headers)
    assert response.status_code == 200


def test_the_document_is_the_generated_one(client: httpx.Client) -> None:
    response = client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == json.loads((FOLDER / "openapi.json").read_bytes())


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_answer_ok(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.text) == (200, "ok")
    assert client.head(path).status_code == 200


def test_metrics_count_requests_by_status(client: httpx.Client) -> None:
    def counted(status: int) -> float:
        line = f'fraud_scorer_http_requests_total{{status="{status}"}} '
        lines = client.get("/metrics").text.splitlines()
        return sum(float(found.removeprefix(line)) for found in lines if found.startswith(line))

    before = counted(200), counted(422)
    post(client, examples.MINIMAL_CLAIM)
    post(client, {"claim_id": ""})
    # The scrapes themselves are answered 200 too.
    assert (counted(200), counted(422)) == (before[0] + 3, before[1] + 1)


def test_metrics_tell_the_model_and_the_time_taken(client: httpx.Client, scorer: Scorer) -> None:
    post(client, examples.MINIMAL_CLAIM)
    text = client.get("/metrics").text
    assert f'sha256="{scorer.sha256}"' in text
    assert "fraud_scorer_http_request_seconds_count" in text


def test_unknown_fields_are_flagged_in_detail(client: httpx.Client) -> None:
    odd = {"claim_id": "c", "claim_ammount": 5}
    alert = msgspec.json.decode(post(client, odd, detail="true").content, type=FraudAlert)
    assert "unknown_field:claim_ammount" in alert.data_quality
    body = json.dumps([odd, {"claim_id": "d"}]).encode()
    one, other = msgspec.json.decode(
        post(client, body, detail="true").content, type=tuple[FraudAlert, FraudAlert]
    )
    assert "unknown_field:claim_ammount" in one.data_quality
    assert not [flag for flag in other.data_quality if flag.startswith("unknown_field:")]


@pytest.mark.slow
def test_unknown_fields_are_refused_where_that_is_set(model_dir: Path) -> None:
    odd = {"claim_id": "c", "claim_ammount": 5}
    with (
        running(model_dir, UNKNOWN_FIELDS="refuse") as server,
        httpx.Client(base_url=server.url, timeout=30) as strict,
    ):
        refused = post(strict, odd)
        assert (refused.status_code, refused.json()["path"]) == (422, "$.claim_ammount")
        body = json.dumps([{"claim_id": "d"}, odd]).encode()
        accepted, problem = post(strict, body).json()
        assert "fraud_probability" in accepted
        assert (problem["status"], problem["path"]) == (422, "$.claim_ammount")
