"""FastStream: a batch subscriber and a batch publisher on its confluent broker.

At least once: offsets are committed after the batch was published.
"""

import asyncio

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring

told = job()
score = scoring(told)
broker = KafkaBroker(told.bootstrap, logger=None)
publisher = broker.publisher(told.alerts, batch=True)


async def as_bytes(message: KafkaMessage) -> list[bytes]:
    """Leave the values alone: the scoring decodes them."""
    return [raw.value() or b"" for raw in message.raw_message]


@broker.subscriber(
    told.claims,
    group_id=told.group,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
    batch=True,
    max_records=told.batch,
    decoder=as_bytes,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def alerts(values: list[bytes]) -> None:
    """Score a batch and publish its alerts."""
    await publisher.publish(*score(values))


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
