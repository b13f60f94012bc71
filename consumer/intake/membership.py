"""Being a member: taking and giving up partitions, and metadata that fences (KIP-447)."""

import struct
from typing import Final

from confluent_kafka import Consumer, TopicPartition

_MAGIC: Final = b"CGMDv2:"
_GENERATION: Final = struct.Struct("=i")
"""How librdkafka 2.x serialises it (rd_kafka_consumer_group_metadata_write): magic, generation."""


def snapshot(consumer: Consumer) -> bytes | None:
    """Metadata of the consumer as it is now; None when it is of no generation.

    A member that was thrown out and has not been told has none (-1; 0 while joining under the
    consumer protocol). Offsets sent with it are fenced by nobody once the group is empty.
    """
    metadata: bytes = consumer.consumer_group_metadata()
    return metadata if generation(metadata) > 0 else None


def generation(metadata: bytes) -> int:
    """Generation, or under the consumer protocol the epoch, of group metadata.

    Raises:
        ValueError: the client library serialises it in a form this was not written for.
    """
    if not metadata.startswith(_MAGIC):
        raise ValueError(f"group metadata of an unknown form: {metadata[:8]!r}")
    return int(_GENERATION.unpack_from(metadata, len(_MAGIC))[0])


def assign(consumer: Consumer, partitions: list[TopicPartition], protocol: str) -> None:
    """Begin to read: these too under ``consumer``, these and no others under ``classic``."""
    if protocol == "consumer":
        consumer.incremental_assign(partitions)
    else:
        consumer.assign(partitions)


def unassign(consumer: Consumer, partitions: list[TopicPartition], protocol: str) -> None:
    """Stop reading these; under ``classic``, whose assignor is eager, they are all there are."""
    if protocol == "consumer":
        consumer.incremental_unassign(partitions)
    else:
        consumer.unassign()
