"""What brokers fence and what they do not: the facts behind the worker's rules."""

import struct

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from consumer.intake.membership import generation, snapshot
from consumer.kafka.client import kafka_error
from tests.broker import wait
from tests.conftest import NewTopic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

TIMEOUT_S = 20.0


def joined(kafka: str, topic: str, protocol: str) -> Consumer:
    member = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": topic,
            "group.protocol": protocol,
            "enable.auto.commit": False,
        }
    )
    member.subscribe([topic])

    def assigned() -> bool:
        member.poll(0.1)
        return bool(member.assignment())

    wait.until(assigned, "the assignment")
    return member


def refusal(kafka: str, topic: str, metadata: bytes) -> str:
    """Name of the error that offsets with this metadata meet in a transaction, "" for none."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic}-writer"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    try:
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], metadata, TIMEOUT_S)
        producer.commit_transaction(TIMEOUT_S)
    except KafkaException as error:
        producer.abort_transaction(TIMEOUT_S)
        return kafka_error(error).name()
    return ""


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_metadata_of_no_generation_is_fenced_by_no_empty_group(
    kafka: str, new_topic: NewTopic, protocol: str
) -> None:
    """So `snapshot` never hands it out: a member thrown out last leaves a group that is empty."""
    topic = new_topic(partitions=1)
    member = joined(kafka, topic, protocol)
    assert snapshot(member) is not None
    good: bytes = member.consumer_group_metadata()
    thrown_out = good[:7] + struct.pack("=i", -1) + good[11:]
    assert (generation(good) > 0, generation(thrown_out)) == (True, -1)
    assert refusal(kafka, topic, good) == ""
    assert refusal(kafka, topic, thrown_out) == "ILLEGAL_GENERATION"
    member.close()
    wait.until(lambda: refusal(kafka, topic, good) != "", "the end of the session")
    assert refusal(kafka, topic, good) == "UNKNOWN_MEMBER_ID"
    assert refusal(kafka, topic, thrown_out) == ""


def test_a_client_that_has_not_joined_has_no_snapshot(kafka: str) -> None:
    assert snapshot(Consumer({"bootstrap.servers": kafka, "group.id": "nobody"})) is None
