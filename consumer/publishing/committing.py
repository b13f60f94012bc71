"""What the worker and the redrive do alike with a transactional producer."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition

from consumer.kafka.client import serve
from consumer.kafka.producing import make_producer
from consumer.publishing.leftovers import Leftovers
from consumer.settings.settings import Settings

Step = Callable[[str], AbstractContextManager[None]]
"""Watches the named call while it runs."""


def unwatched(_: str) -> AbstractContextManager[None]:
    """A step that nobody watches: the caller has a limit of its own."""
    return nullcontext()


def ready_producer(
    settings: Settings, leftovers: Leftovers, timeout_s: float, step: Step = unwatched
) -> Producer:
    """A producer that nothing is open behind and that has aborted nothing.

    Raises:
        KafkaException: Kafka refuses, or does not answer.
        KafkaStoppedError: it lacks a right.
    """
    producer = _initialised(settings, timeout_s, step)
    try:
        swept = leftovers.clear(producer, timeout_s)
    except KafkaException:
        serve(producer)
        raise
    return _initialised(settings, timeout_s, step) if swept else producer


def _initialised(settings: Settings, timeout_s: float, step: Step) -> Producer:
    producer = make_producer(settings)
    try:
        with step("init_transactions"):
            producer.init_transactions(timeout_s)
    except KafkaException:
        serve(producer)  # the client may know better why
        raise
    return producer


def commit(
    producer: Producer,
    offsets: Sequence[TopicPartition],
    group_metadata: Any,
    timeout_s: float,
    step: Step = unwatched,
) -> None:
    """Commit the transaction with the offsets of the group.

    Raises:
        KafkaException: it is not committed, or that is not known.
    """
    with step("send_offsets_to_transaction"):
        producer.send_offsets_to_transaction(list(offsets), group_metadata, timeout_s)
    with step("commit_transaction"):
        producer.commit_transaction(timeout_s)
