"""Publishing records: shared by all producers of the product."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from consumer.batch.records import Record
from consumer.kafka.client import producer_config, refused_property, report_client_error
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

MakeProducer = Callable[[Settings], Producer]
"""Makes a producer for these settings, as `make_producer` does."""


def make_producer(settings: Settings, transactional_id: str | None = None) -> Producer:
    """A producer for these settings.

    Args:
        settings: connection, DELIVERY and the producer's configuration.
        transactional_id: of another process, to end what it left open.

    Raises:
        SettingsError: the client rejects a KAFKA_* setting.
    """
    config: dict[str, Any] = {
        **producer_config(settings),
        "error_cb": report_client_error,
        "logger": log,
    }
    if transactional_id is not None:
        config["transactional.id"] = transactional_id
    try:
        return Producer(config)
    except KafkaException as error:
        raise refused_property(error) from error


def produce(
    producer: Producer,
    topic: str,
    records: Iterable[Record],
    on_delivery: Callable[[KafkaError | None, Message], None] | None = None,
) -> None:
    """Queue every record, waiting for room if the client's queue is full.

    Raises:
        KafkaException: the client refuses a record, e.g. one that is too large for its queue.
    """
    for key, value, headers, timestamp_ms in records:
        waiting = True
        while True:
            try:
                producer.produce(
                    topic,
                    value,
                    key,
                    headers=headers or [],
                    on_delivery=on_delivery,
                    timestamp=timestamp_ms,
                )
                break
            except BufferError as error:
                if not waiting:
                    raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)) from error
                producer.poll(0.1)
                waiting = bool(len(producer))


def partitions(offsets: Mapping[tuple[str, int], int]) -> list[TopicPartition]:
    """Next offsets in the client's form."""
    return [TopicPartition(topic, part, offset) for (topic, part), offset in offsets.items()]
