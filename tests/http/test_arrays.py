"""Arrays of claims: an answer for each in order, and no fault of one is another's."""

import json
import tracemalloc
from typing import Any

import httpx
import msgspec
import pytest

from consumer.server.problem import ProblemError
from consumer.web.batches import MAX_ARRAY_BYTES, items_of
from schemas import examples
from schemas.alert import FraudAlert
from schemas.answer import Problem
from schemas.decoding.size import MAX_CLAIM_BYTES
from schemas.openapi import MAX_CLAIMS

JSON = {"content-type": "application/json"}


def post(client: httpx.Client, body: bytes, **params: str) -> httpx.Response:
    return client.post("/fraud-detection", content=body, headers=JSON, params=params)


def test_each_claim_is_answered_as_if_it_were_alone(client: httpx.Client) -> None:
    alone = [post(client, json.dumps(claim).encode()).json() for claim in examples.CLAIMS]
    response = post(client, b" \n" + json.dumps(examples.CLAIMS).encode())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == alone


WRONG: list[tuple[bytes, int, str]] = [
    (b'{"claim_id": 17}', 422, "$.claim_id"),
    (b"3", 422, "$"),
    (b"null", 422, "$"),
    (b"[]", 422, "$"),
    (b'{"claim_id": "\xff"}', 400, "$"),
    (b'{"claim_id": "' + b"x" * MAX_CLAIM_BYTES + b'"}', 413, "$"),
]


@pytest.mark.parametrize(("wrong", "status", "path"), WRONG, ids=[str(w)[:30] for w, _, _ in WRONG])
def test_what_is_no_claim_is_answered_with_its_problem(
    client: httpx.Client, wrong: bytes, status: int, path: str
) -> None:
    good = json.dumps(examples.REAR_END).encode()
    response = post(client, b"[" + b",".join([good, wrong, good]) + b"]")
    assert response.status_code == 200
    first, problem, last = response.json()
    assert first == last == post(client, good).json()
    found = msgspec.convert(problem, Problem)
    assert (found.status, found.path) == (status, path)
    assert found.title
    assert found.detail


def test_alerts_of_an_array(client: httpx.Client) -> None:
    body = json.dumps([examples.LATE_THEFT, {}, examples.MINIMAL_CLAIM]).encode()
    theft, problem, minimal = post(client, body, detail="true").json()
    assert msgspec.convert(theft, FraudAlert).claim_id == examples.LATE_THEFT["claim_id"]
    assert msgspec.convert(minimal, FraudAlert).claim_id == examples.MINIMAL_CLAIM["claim_id"]
    assert problem["detail"] == "lacks claim_id, which is required"


def test_an_array_without_any_claim(client: httpx.Client) -> None:
    assert [p["status"] for p in post(client, b"[1,2]").json()] == [422, 422]


def many(number: int) -> bytes:
    return json.dumps([{"claim_id": str(n)} for n in range(number)]).encode()


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"[]", 422, "an array has 1 to 1,000 claims, not 0"),
        (many(MAX_CLAIMS + 1), 422, "an array has 1 to 1,000 claims, not 1,001 or more"),
        (b'[{"claim_id": "a"}', 400, "truncated"),
        (b'[{"claim_id": "a"},]', 400, "malformed"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"[" + b" " * MAX_ARRAY_BYTES + b"]", 413, "an array of claims may have at most"),
    ],
)
def test_arrays_that_are_refused(
    client: httpx.Client, body: bytes, status: int, detail: str
) -> None:
    response = post(client, body)
    assert response.status_code == status
    assert detail in msgspec.json.decode(response.content, type=Problem).detail
    assert client.get("/healthz").status_code == 200


def test_the_most_claims(client: httpx.Client) -> None:
    found: list[Any] = post(client, many(MAX_CLAIMS)).json()
    assert len(found) == MAX_CLAIMS
    assert all(set(answer) == {"fraudulent", "fraud_probability"} for answer in found)


def test_an_array_of_no_stated_length_is_limited_too(client: httpx.Client) -> None:
    chunks = iter([b"["] + [b" " * 1_000_000] * 17)
    response = client.post("/fraud-detection", content=chunks, headers=JSON)
    assert response.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 7_000_000 + b"1]",
        b"[" + b'"],[",' * 2_000_000 + b"1]",
        b"[" + b"[]," * 5_000_000 + b"1]",
    ],
    ids=["numbers", "texts that look like ends", "empty arrays"],
)
def test_items_of_a_few_bytes_take_no_memory(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProblemError) as refused:
            items_of(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "not 1,001 or more" in (refused.value.description or "")
    assert peak < 1_000_000


def test_items_are_told_apart_by_the_commas_between_them() -> None:
    body = rb"""[ {"a": "],[\"{", "b": [1, [2, 3]]}, "x\\", [4, 5] ,null]"""
    found = [bytes(item) for item in items_of(body)]
    assert found == [rb"""{"a": "],[\"{", "b": [1, [2, 3]]}""", rb'"x\\"', b"[4, 5]", b"null"]
