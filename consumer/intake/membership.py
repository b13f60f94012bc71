"""Group membership: taking and giving up partitions, and metadata for fencing (KIP-447)."""

import struct
from typing import Final

from confluent_kafka import Consumer, TopicPartition

_MAGIC: Final = b"CGMDv2:"
_GENERATION: Final = struct.Struct("=i")
"""As serialised by librdkafka 2.x (rd_kafka_consumer_group_metadata_write): magic, generation."""


def snapshot(consumer: Consumer) -> bytes | None:
    """Current group metadata of the consumer; None if it has no generation.

    A member that was expelled but not yet notified has none (-1; 0 while joining under the
    consumer protocol). Offsets sent with it are not fenced once the group is empty.
    """
    metadata: bytes = consumer.consumer_group_metadata()
    return metadata if generation(metadata) > 0 else None


def generation(metadata: bytes) -> int:
    """Generation, or under the consumer protocol the epoch, of group metadata.

    Raises:
        ValueError: the client library serialises it in an unknown format.
    """
    if not metadata.startswith(_MAGIC):
        raise ValueError(f"group metadata in an unknown format: {metadata[:8]!r}")
    return int(_GENERATION.unpack_from(metadata, len(_MAGIC))[0])


def assign(consumer: Consumer, partitions: list[TopicPartition], protocol: str) -> None:
    """Start reading: these in addition under ``consumer``, only these under ``classic``."""
    if protocol == "consumer":
        consumer.incremental_assign(partitions)
    else:
        consumer.assign(partitions)


def unassign(consumer: Consumer, partitions: list[TopicPartition], protocol: str) -> None:
    """Stop reading these; under ``classic``, whose assignor is eager, these are all partitions."""
    if protocol == "consumer":
        consumer.incremental_unassign(partitions)
    else:
        consumer.unassign()
