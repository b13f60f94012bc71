"""The bare exactly-once loop of the client: consume, turn, produce, transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.loops.job import Job

TIMEOUT_S: Final = 30.0


def consumer_of(job: Job, **more: str | int) -> Consumer:
    """Reads committed claims from the beginning; commits nothing by itself."""
    return Consumer(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            **more,
        }
    )


def producer_of(job: Job, **more: str | int) -> Producer:
    """Transactional, and quick to begin the next transaction."""
    return Producer(
        {
            "bootstrap.servers": job.bootstrap,
            "transactional.id": job.group,
            "retry.backoff.ms": 1,
            "linger.ms": 0,
            **more,
        }
    )


def at_once(consumer: Consumer, most: int, wait_s: float) -> list[Message]:
    """What is there, as soon as something is; the client's own `consume` waits for `most`."""
    found = consumer.consume(1, wait_s)
    return [*found, *consumer.consume(most - 1, 0)] if found else found


def run(
    job: Job,
    wait_s: float,
    turn: Callable[[Sequence[Message]], Sequence[bytes]],
    take: Callable[[Consumer, int, float], list[Message]] = Consumer.consume,
) -> None:
    """Turn batches of at most `job.batch` claims into alerts under their keys, forever."""
    consumer, producer = consumer_of(job), producer_of(job)
    producer.init_transactions(TIMEOUT_S)
    metadata: list[Any] = []

    def assigned(consumer: Consumer, _: list[TopicPartition]) -> None:
        metadata[:] = [consumer.consumer_group_metadata()]

    consumer.subscribe([job.claims], on_assign=assigned)
    while True:
        messages = take(consumer, job.batch, wait_s)
        if not messages:
            continue
        values = turn(messages)
        producer.begin_transaction()
        produce = producer.produce
        for message, value in zip(messages, values, strict=True):
            produce(job.alerts, value, message.key())
        producer.send_offsets_to_transaction(next_offsets(job, messages), metadata[0], TIMEOUT_S)
        producer.commit_transaction(TIMEOUT_S)


def next_offsets(job: Job, messages: Sequence[Message]) -> list[TopicPartition]:
    """Last offset of each partition, plus one."""
    last = {message.partition(): message.offset() for message in messages}
    return [TopicPartition(job.claims, p or 0, (offset or 0) + 1) for p, offset in last.items()]


def values_of(messages: Sequence[Message]) -> list[bytes]:
    """The records' values as bytes."""
    return [message.value() or b"" for message in messages]
