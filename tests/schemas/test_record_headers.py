"""The headers that records really carry are those the AsyncAPI document describes."""

from collections.abc import Iterable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consumer.batch.process import process
from consumer.batch.revisions import headers_after
from schemas.dead_letter import Header, without_error_headers
from schemas.record_headers import FRAMED
from tests.consumer.fakes import NOW, FakeScorer, alert_of, claim
from tests.harness.kafka import FakeMessage
from tests.schemas.reading import read

TRACE: list[Header] = [
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("tracestate", b"rojo=00f067aa0ba902b7"),
]


def described(message: str) -> Draft202012Validator:
    """The document's description of a message's headers."""
    document = read("asyncapi.json")
    schema = document["components"]["messages"][message]["headers"]
    return Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def texts(headers: Iterable[Header] | None) -> dict[str, Any]:
    """Headers as a map of text."""
    return {
        name: value.decode() if isinstance(value, bytes) else value for name, value in headers or ()
    }


def outcome(value: bytes, headers: list[Header]) -> Any:
    message = FakeMessage(value, 7, headers=headers, topic="claims.v1_a-b", partition=3)
    return process([message], FakeScorer(), NOW)


@pytest.mark.parametrize("extra", [[], TRACE, TRACE[:1]])
def test_alerts(extra: list[Header]) -> None:
    (record,) = outcome(claim(), [*extra, ("own", b"x")]).alerts
    headers = texts(record.headers)
    described("FraudAlert").validate(headers)
    names = set(read("asyncapi.json")["components"]["schemas"]["FraudAlertHeaders"]["properties"])
    assert set(headers) <= names, "a header the document does not know"
    assert {name: headers.get(name) for name, _ in extra} == texts(extra)
    # CloudEvents 1.0: id, source, specversion and type are required of every event.
    assert headers["ce_id"] == alert_of(record).alert_id
    assert headers["ce_source"] == "/claims.v1_a-b/3"


@pytest.mark.parametrize("value", [b"", b"{", claim("c", -1.0), b"\xff"])
def test_dead_letters(value: bytes) -> None:
    own: list[Header] = [*TRACE, ("content-type", b"application/json")]
    (record,) = outcome(value, own).dead_letters
    headers = texts(record.headers)
    described("DeadLetter").validate(headers)
    names = set(read("asyncapi.json")["components"]["schemas"]["DeadLetter"]["properties"])
    assert set(headers) - set(texts(own)) <= names
    assert without_error_headers(record.headers) == own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", "0.3"),
        ("ce_type", "claim"),
        ("ce_source", "claims"),
        ("ce_id", ""),
        ("ce_time", "yesterday"),
        ("content-type", "text/plain"),
    ],
)
def test_other_headers_are_no_alert_s(name: str, value: str) -> None:
    (record,) = outcome(claim(), []).alerts
    headers = texts(record.headers)
    assert not described("FraudAlert").is_valid({**headers, name: value})
    del headers[name]
    assert not described("FraudAlert").is_valid(headers)


def test_a_framed_alert_says_so() -> None:
    (record,) = outcome(claim(), []).alerts
    described("FraudAlert").validate({**texts(record.headers), "content-type": FRAMED})


def test_claims_sent_again() -> None:
    (record,) = outcome(claim(), []).alerts
    again = texts(headers_after(alert_of(record)))
    described("Claim").validate(again)
    described("Claim").validate({**texts(TRACE), "content-type": "application/cloudevents+json"})
    assert not described("Claim").is_valid({**again, "scorer.revision": "1"})
    for name in again:
        assert not described("Claim").is_valid({name: again[name]})
