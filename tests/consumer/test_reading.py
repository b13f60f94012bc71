"""No error of the client is passed over, and no wait is without a limit."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import REASON_S, LastReason, report_client_error, stopped
from consumer.kafka.reading import Patience, records
from tests.consumer.fakes import Clock
from tests.harness.kafka import FakeMessage

WHY = "sasl_ssl://kafka:9093/bootstrap: Connect to ipv4#10.0.0.1:9093 failed: Connection refused"


def failed(code: int, topic: str | None = None) -> FakeMessage:
    return FakeMessage(None, topic=topic, error=KafkaError(code))


@pytest.mark.parametrize("topic", ["letters", None])
def test_an_error_that_stays_ends_it_and_names_the_topic(topic: str | None) -> None:
    messages: list[Any] = [FakeMessage(b""), failed(KafkaError.TOPIC_AUTHORIZATION_FAILED, topic)]
    with pytest.raises(KafkaStoppedError, match=r"^reading letters: TOPIC_AUTHORIZATION_FAILED"):
        records(messages, "letters")


def test_what_the_client_recovers_from_does_not() -> None:
    messages: list[Any] = [failed(KafkaError._TRANSPORT), FakeMessage(b"")]
    assert records(messages, "letters") == messages[1:]


def test_a_wait_has_a_limit_and_a_reason() -> None:
    report_client_error(KafkaError(KafkaError._TRANSPORT, WHY))
    Patience("reading letters").check()
    with pytest.raises(KafkaStoppedError, match=r"reading letters: no progress") as why:
        Patience("reading letters", -1.0).check(", at the start")
    assert ", at the start" in str(why.value)
    assert WHY in str(why.value)


def test_the_last_reason_is_the_one_that_says_why() -> None:
    assert str(LastReason()) == ""
    report_client_error(KafkaError(KafkaError._RESOLVE, "an earlier one"))
    report_client_error(KafkaError(KafkaError._TRANSPORT, WHY))
    report_client_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    unanswered = stopped(KafkaException(KafkaError(KafkaError._TIMED_OUT)), "redriving")
    assert str(unanswered).endswith(WHY)
    refused = stopped(KafkaException(KafkaError(KafkaError._FENCED)), "redriving")
    assert WHY not in str(refused)


def test_an_old_reason_is_none() -> None:
    clock = Clock()
    reason = LastReason(clock)
    reason.note(KafkaError(KafkaError._TRANSPORT, WHY))
    assert str(reason).endswith(WHY)
    clock.ahead_s += REASON_S
    assert str(reason) == ""
