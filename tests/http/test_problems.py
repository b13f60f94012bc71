"""Every error is problem+json, and says what is wrong and where."""

import gzip
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from falcon.testing import TestClient

from consumer.telemetry.health import Health, Loaded
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.api import LONGEST_TYPE, scoring_app
from model.history.features import ClaimHistory
from schemas.answer import Problem
from schemas.dead_letter import Reason
from schemas.decoding.size import MAX_CLAIM_BYTES
from tests.consumer.fakes import FakeScorer, claim
from tests.harness.bad_records import BAD

JSON = {"content-type": "application/json"}


def problem(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == "application/problem+json"
    found = msgspec.json.decode(response.content, type=Problem)
    assert found.status == response.status_code
    assert found.title
    return found


STATUS = {Reason.INVALID: 422, Reason.TOO_LARGE: 413}
"""The others are 400."""
UNENDING_BATCH = "nested arrays"
"""A record must be an object; a request may be an array of claims, and this one does not end."""


@pytest.mark.parametrize("kind", [kind for kind, bad in BAD.items() if bad.value is not None])
def test_what_is_no_claim(client: httpx.Client, kind: str) -> None:
    body, reason, path = BAD[kind]
    status = 400 if kind == UNENDING_BATCH else STATUS.get(reason, 400)
    response = client.post("/fraud-detection", content=body, headers=JSON)
    assert response.status_code == status
    found = problem(response)
    assert found.path == (path if status != 413 else "")
    assert found.detail


def test_a_claim_of_the_largest_size_is_read(client: httpx.Client) -> None:
    empty = b'{"claim_id": "x", "not_in_version_1": ""}'
    body = empty[:-2] + b"y" * (MAX_CLAIM_BYTES - len(empty)) + empty[-2:]
    assert len(body) == MAX_CLAIM_BYTES
    assert client.post("/fraud-detection", content=body, headers=JSON).status_code == 200
    over = client.post("/fraud-detection", content=body + b" ", headers=JSON)
    assert over.status_code == 413


def test_a_body_of_no_stated_length_is_limited_too(client: httpx.Client) -> None:
    chunks = iter([b'{"claim_id": "'] + [b"x" * 100_000] * 11 + [b'"}'])
    response = client.post("/fraud-detection", content=chunks, headers=JSON)
    assert response.status_code == 413
    assert "1000000" in problem(response).detail
    # The connection is as good as before.
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/jsonp", ""])
def test_another_media_type(client: httpx.Client, media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    response = client.post("/fraud-detection", content=b'{"claim_id": "x"}', headers=headers)
    assert response.status_code == 415
    assert "application/json" in problem(response).detail


def test_a_long_media_type_is_not_parsed(client: httpx.Client) -> None:
    longest = 'application/json; x="'.ljust(LONGEST_TYPE - 1, ";") + '"'
    for stated, status in ((longest, 200), (f"{longest};x", 415)):
        headers = {"content-type": stated}
        response = client.post("/fraud-detection", content=b'{"claim_id": "x"}', headers=headers)
        assert response.status_code == status, len(stated)
    assert str(LONGEST_TYPE) in problem(response).detail


@pytest.mark.parametrize("charset", ["utf-16", '"UTF-16"', "latin1", '"', "utf-8-sig"])
def test_another_charset(client: httpx.Client, charset: str) -> None:
    headers = {"content-type": f"application/json; charset={charset}"}
    response = client.post("/fraud-detection", content=b'{"claim_id": "x"}', headers=headers)
    assert response.status_code == 415
    assert "UTF-8" in problem(response).detail


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_claim_is_refused_by_its_coding(client: httpx.Client, coding: str) -> None:
    body = gzip.compress(b'{"claim_id": "x"}')
    headers = {**JSON, "content-encoding": coding}
    response = client.post("/fraud-detection", content=body, headers=headers)
    assert response.status_code == 415
    assert coding in problem(response).detail
    assert response.headers["accept-encoding"] == "identity"


def test_no_coding_may_be_named(client: httpx.Client) -> None:
    headers = {**JSON, "content-encoding": "Identity"}
    response = client.post("/fraud-detection", content=b'{"claim_id": "x"}', headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ["detail=", "detail=1", "detail=True", "detail=true&detail=true"])
def test_detail_that_is_no_boolean(client: httpx.Client, query: str) -> None:
    response = client.post(f"/fraud-detection?{query}", content=b"{}", headers=JSON)
    assert response.status_code == 400
    assert "detail" in problem(response).detail


def test_no_such_path(client: httpx.Client) -> None:
    assert problem(client.get("/fraud-detection/")).status == 404
    assert problem(client.post("/score")).title == "Not Found"


def test_no_such_method(client: httpx.Client) -> None:
    response = client.get("/fraud-detection")
    assert problem(response).status == 405
    assert "POST" in response.headers["allow"]


class BrokenScorer(FakeScorer):
    """A model whose answer is not a probability."""

    def score(self, claims: Any, histories: Sequence[ClaimHistory] | None = None) -> Any:
        return np.full(len(claims), np.nan)


@pytest.mark.parametrize("scorer", [FakeScorer(raises_on="c1"), BrokenScorer()])
def test_a_model_that_fails_is_a_500_that_tells_nothing_of_the_claim(scorer: FakeScorer) -> None:
    app = scoring_app(lambda: scorer, ServingMetrics(), Health())
    response = TestClient(app).simulate_post("/fraud-detection", body=claim("c1"), headers=JSON)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json == {"title": "Internal Server Error", "status": 500}


def test_unready_is_a_503_with_the_reason() -> None:
    health = Health(ready=(Loaded().missing,))
    app = scoring_app(FakeScorer, ServingMetrics(), health)
    response = TestClient(app).simulate_get("/readyz")
    assert (response.status_code, response.text) == (503, "no model loaded")
