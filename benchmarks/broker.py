"""A real broker on its core, and topics filled with claims."""

import contextlib
from collections.abc import Iterator
from typing import Final
from unittest import mock

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from benchmarks.cores import Cores, pinned
from benchmarks.workload import Workload
from tests.broker import native, topics

PARTITIONS: Final = 4
JVM: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "-Xshare:auto")
"""Unlike the tests' broker, this one may compile its hot code in full."""
SETTINGS: Final = {
    "log.segment.bytes": "1073741824",
    # A busy machine is not a fault: the node must not lose its leadership over a late heartbeat.
    "broker.session.timeout.ms": "60000",
    "log.retention.check.interval.ms": "10000",
}


@contextlib.contextmanager
def running_broker(cores: Cores) -> Iterator[native.NativeKafka]:
    """A separate node for the duration of the block."""
    with mock.patch.object(native, "JVM", JVM), pinned(cores.broker):
        kafka = native.NativeKafka(settings=SETTINGS)
        kafka.__enter__()
    try:
        yield kafka
    finally:
        kafka.close()


def filled(bootstrap: str, workload: Workload, count: int, partitions: int = PARTITIONS) -> str:
    """A new topic with this many claims, spread evenly over its partitions."""
    name = topics.create(bootstrap, topics.fresh_name("claims"), partitions)
    append(bootstrap, name, workload, count, partitions)
    return name


def append(bootstrap: str, topic: str, workload: Workload, count: int, partitions: int) -> None:
    """Add claims in blocks, as busy producers do."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.num.messages": 1_000,
        }
    )
    for i, (key, value) in enumerate(workload.stream(count)):
        while True:
            try:
                producer.produce(topic, value, key, partition=i % partitions)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(120)
    assert left == 0, f"{left} claims could not be produced"


def output(bootstrap: str, partitions: int = PARTITIONS) -> str:
    """A new empty topic for alerts."""
    return topics.create(bootstrap, topics.fresh_name("alerts"), partitions)


def memory_log(bootstrap: str, partitions: int = PARTITIONS) -> str:
    """A new empty topic for what is remembered."""
    kept = {"cleanup.policy": "compact", "delete.retention.ms": "2592000000"}
    return topics.create(bootstrap, topics.fresh_name("memory"), partitions, kept)


def dropped(bootstrap: str, *names: str) -> None:
    """Delete topics: what a run wrote is not kept."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for deleted in admin.delete_topics(list(names)).values():
        deleted.result(60)
