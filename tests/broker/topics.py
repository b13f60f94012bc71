"""Topics made and filled for a test."""

import itertools
import uuid
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.broker import wait

Rows = Iterable[tuple[bytes | None, bytes | None]]


def fresh_name(stem: str = "topic") -> str:
    return f"{stem}-{uuid.uuid4().hex[:12]}"


def create(
    bootstrap: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
) -> str:
    """Create the topic and wait until every partition has a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic(name, partitions, -1, config=dict(config or {}))
    admin.create_topics([topic])[name].result(60)
    wait.until(lambda: _led(admin, name, partitions), f"leaders of {name}")
    return name


def _led(admin: AdminClient, name: str, partitions: int) -> bool:
    found = admin.list_topics(name, timeout=10).topics[name].partitions
    return len(found) == partitions and all(p.leader >= 0 for p in found.values())


def delete(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept until its answer is in
    admin.delete_topics([name])[name].result(60)


def grow(bootstrap: str, name: str) -> int:
    """Add a partition; returns its number once it has a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    added = len(admin.list_topics(name, timeout=60).topics[name].partitions)
    admin.create_partitions([NewPartitions(name, added + 1)])[name].result(60)
    wait.until(lambda: _led(admin, name, added + 1), f"leaders of {name}")
    return added


def fill(bootstrap: str, topic: str, rows: Rows, partitions: int | None = None) -> int:
    """Produce rows of key and value; round the partitions if their number is given."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5}
    )
    failed: list[KafkaError] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    turn = itertools.cycle(range(partitions)) if partitions else itertools.repeat(-1)
    count = 0
    for key, value in rows:
        producer.produce(topic, value, key, partition=next(turn), on_delivery=note)
        producer.poll(0)
        count += 1
    assert producer.flush(60) == 0
    assert not failed, failed[0]
    return count
