"""A bare group member in a separate process: it records which partitions it owns.

It dies as by ``kill -9`` inside its revocation callback while the file ``die`` is there.
"""

import os
import signal
import sys
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition


def main(bootstrap: str, topic: str, name: str, assignor: str, place: str) -> None:
    """Stay in the group named as the topic for as long as the process lives."""
    folder = Path(place)

    def revoked(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if (folder / "die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if assignor == "cooperative-sticky":
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "group.instance.id": name,
            "partition.assignment.strategy": assignor,
            "session.timeout.ms": 30_000,
            "heartbeat.interval.ms": 500,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic], on_revoke=revoked)
    while True:
        consumer.poll(0.1)
        owned = sorted(p.partition for p in consumer.assignment())
        (folder / f"{name}.next").write_bytes(msgspec.json.encode(owned))
        (folder / f"{name}.next").rename(folder / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
