"""Duration of one transaction, back to back."""

import statistics
import time

import msgspec
from confluent_kafka import Producer

from benchmarks.broker import dropped, output
from tests.broker import topics


class RoundTrip(msgspec.Struct, frozen=True):
    """Begin, produce, commit: with this wait between retries."""

    records: int
    retry_backoff_ms: int
    median_ms: float
    p99_ms: float


def round_trip(bootstrap: str, records: int, retry_backoff_ms: int, count: int) -> RoundTrip:
    """Transactions of this many small records, one after the other."""
    topic = output(bootstrap)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": topics.fresh_name("transactions"),
            "retry.backoff.ms": retry_backoff_ms,
            "linger.ms": 0,
        }
    )
    producer.init_transactions(60)
    times = [_one(producer, topic, records) for _ in range(count)][count // 10 :]
    dropped(bootstrap, topic)
    ordered = sorted(times)
    return RoundTrip(
        records, retry_backoff_ms, statistics.median(times), ordered[int(len(ordered) * 0.99)]
    )


def _one(producer: Producer, topic: str, records: int) -> float:
    begin = time.perf_counter()
    producer.begin_transaction()
    for i in range(records):
        producer.produce(topic, b"x" * 700, b"%d" % i)
    producer.commit_transaction(60)
    return (time.perf_counter() - begin) * 1e3
