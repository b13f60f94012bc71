"""Readiness of the intake: what Kafka says of the claims topic, and the producer's settings."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.intake.posted import producer_settings
from consumer.intake.reachable import Reachable
from consumer.kafka.client import producer_config
from consumer.settings.settings import Forward, read_settings
from tests.broker import wait


class Asked:
    """Answers with topics, or raises."""

    def __init__(self) -> None:
        self.answer: Any = None

    def list_topics(self, topic: str, timeout: float) -> Any:
        if isinstance(self.answer, KafkaException):
            raise self.answer
        return SimpleNamespace(topics={} if self.answer is None else {topic: self.answer})


def led(*leaders: int, error: KafkaError | None = None) -> Any:
    partitions = {n: SimpleNamespace(leader=leader) for n, leader in enumerate(leaders)}
    return SimpleNamespace(partitions=partitions, error=error)


def test_readiness_follows_kafka() -> None:
    client = Asked()
    found = Reachable(client, "claims")
    assert found.fault() is None
    unknown = led(error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    for answer, fault in (
        (KafkaException(KafkaError(KafkaError._TRANSPORT)), "Kafka does not answer"),
        (led(1, -1), None),
        (led(-1, -1), "no partition of claims has a leader"),
        (unknown, "no topic claims"),
        (None, "no topic claims"),
        (led(2), None),
    ):
        client.answer = answer
        found.ask()
        assert found.fault() == fault


def test_it_asks_by_itself_while_it_watches() -> None:
    client = Asked()
    found = Reachable(client, "claims")
    with found.watched():
        wait.until(found.fault, "a fault")
    assert found.fault() == "no topic claims"


def config(**environ: str) -> dict[str, Any]:
    return producer_config(producer_settings(read_settings(environ)))


def test_the_producer_is_idempotent_and_gives_up_in_time() -> None:
    found = config()
    assert found["enable.idempotence"] is True
    assert "transactional.id" not in found
    assert (found["delivery.timeout.ms"], found["linger.ms"]) == ("4000", "0")
    assert found["partitioner"] == "murmur2_random"


@pytest.mark.parametrize("name", ["DELIVERY_TIMEOUT_MS", "MESSAGE_TIMEOUT_MS", "BATCH_SIZE"])
def test_its_patience_and_its_batches_are_not_the_environments(name: str) -> None:
    found = config(**{f"KAFKA_{name}": "600000", "KAFKA_LINGER_MS": "3"})
    assert (found["delivery.timeout.ms"], found["linger.ms"]) == ("4000", "3")
    assert found["batch.size"] == "65536"
    assert "message.timeout.ms" not in found


def test_forwarding_is_a_choice() -> None:
    assert read_settings({}).api_forward is Forward.OFF
    assert read_settings({"API_FORWARD": "claims"}).api_forward is Forward.CLAIMS
