"""A store filled from its topic, compared with the same facts written into bare LMDB.

    python -m benchmarks.rebuild [--claims N] [--rounds N]

The topic is on a real broker and has the records of the claims of `benchmarks.memory`, with six
names each, one in eight decided. Each round fills a new store from it, like a worker that lost its
own, and writes the facts of the claims and an entry of each into a bare file, as many in one
transaction. Figures are claims a second, and µs of CPU a claim: of the process, with the Kafka
client's threads, and of the thread that fills the store.
"""

import argparse
import base64
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import Producer

from benchmarks import cores
from benchmarks.broker import PARTITIONS, memory_log, running_broker
from benchmarks.memory import (
    BATCH,
    SECRET,
    BareStore,
    Day,
    bare_entries,
    bare_facts,
    contract,
    days,
    log_facts,
    refs_of,
)
from consumer.kafka.topics import require_log
from consumer.memory.store import open_store
from consumer.memory.tail import AT_ONCE, Tail
from consumer.models.service import COLLECT_EVERY
from consumer.settings.settings import Settings, read_settings
from model.history.keys import ClaimKeys, KeyMaker
from model.history.plan import Bounds, kinds_in
from schemas.alert import Source
from schemas.memory import encoded, fact_key

FINGERPRINT: Final = "f" * 16
ROOM: Final = 1 << 30


class Cost(NamedTuple):
    """Seconds of one way to fill."""

    wall: float
    process: float
    thread: float


class _Nothing:
    """Counts that nobody reads."""

    def applied(self, facts: int) -> None:
        """See `LogCounts`."""

    def unreadable(self) -> None:
        """See `LogCounts`."""
        raise AssertionError


class _Clock:
    def __init__(self) -> None:
        self._start = self._now()

    def _now(self) -> Cost:
        return Cost(time.perf_counter(), time.process_time(), time.thread_time())

    def since(self) -> Cost:
        return Cost(*(b - a for a, b in zip(self._start, self._now(), strict=True)))


def hashed(count: int) -> Iterator[tuple[Day, list[ClaimKeys]]]:
    """Batches and their keys."""
    of = contract()
    maker = KeyMaker(of, SECRET)
    for day in days(count // BATCH, of):
        yield day, maker.all_keys(day.claims)


def fill(bootstrap: str, topic: str, count: int) -> None:
    """Put this many claims, and what is found about them, into the topic."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    names = [kind.kind for kind in kinds_in(contract())]
    for day, keys in hashed(count):
        for number, (key, fact) in enumerate(log_facts(day, keys, names)):
            assert fact is not None
            source = Source(key.topic, key.partition, key.offset)
            record_key = fact_key(key.kind, key.claim_id, source)
            producer.produce(topic, encoded(fact), record_key, partition=number % PARTITIONS)
        producer.poll(0)
        if len(producer) > BATCH * 20:
            producer.flush(60)
    left = producer.flush(120)
    assert left == 0, f"{left} records could not be produced"


def rebuild(settings: Settings, folder: Path) -> Cost:
    """Fill a new store from the topic."""
    of = contract()
    topic_id = require_log(settings).topic_id
    store = open_store(folder, kinds_in(of), Bounds(), FINGERPRINT, topic_id, ROOM)
    tail = Tail(settings, store, FINGERPRINT, topic_id, _Nothing(), lambda _: None)
    clock = _Clock()
    done = tail.load(lambda: True, lambda _, __: None)
    cost = clock.since()
    assert done
    tail.close()
    return cost


def bare(count: int, folder: Path) -> Cost:
    """Write the same facts, as many at a time, into a bare file."""
    store = BareStore(folder)
    spent = Cost(0.0, 0.0, 0.0)
    facts: list[tuple[bytes, bytes]] = []
    entries: list[tuple[bytes, bytes]] = []
    for day, keys in hashed(count):
        refs = refs_of(day)
        facts += bare_facts(day, refs, keys)
        entries += bare_entries(day, refs, len(keys[0].entities))
        if len(entries) >= AT_ONCE or day.first + BATCH >= count:
            clock = _Clock()
            store.write(sorted(facts), entries)
            spent = Cost(*(a + b for a, b in zip(spent, clock.since(), strict=True)))
            facts, entries = [], []
    store.close()
    return spent


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of each round, and the medians of the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rebuild")
    parser.add_argument("--claims", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    count: int = options.claims
    place = cores.plan()
    gc.collect()
    gc.freeze()  # as workers do
    gc.set_threshold(COLLECT_EVERY)
    ratios: list[Cost] = []
    with tempfile.TemporaryDirectory() as scratch, running_broker(place) as kafka:
        folder = Path(scratch)
        topic = memory_log(kafka.bootstrap)
        fill(kafka.bootstrap, topic, count)
        (folder / "key").write_bytes(base64.b64encode(SECRET))
        settings = read_settings(
            {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
                "MEMORY": "on",
                "MEMORY_TOPIC": topic,
                "MEMORY_KEY_FILE": str(folder / "key"),
            }
        )
        with cores.pinned(place.client):
            for number in range(options.rounds):
                plain = bare(count, folder / f"bare{number}")
                whole = rebuild(settings, folder / f"store{number}")
                ratios.append(Cost(*(a / b for a, b in zip(plain, whole, strict=True))))
                told = [
                    f"{name} {count / cost.wall:9,.0f} claims/s, {cost.process / count * 1e6:5.1f} "
                    f"and {cost.thread / count * 1e6:5.1f} µs of CPU"
                    for name, cost in (("bare", plain), ("rebuilt", whole))
                ]
                sys.stdout.write("   ".join(told) + "\n")
                sys.stdout.flush()
    by_time, by_process, by_thread = map(statistics.median, zip(*ratios, strict=True))
    sys.stdout.write(
        f"bare in rebuilt, medians of {options.rounds}: {by_time:.2f} by time, {by_process:.2f} by "
        f"CPU of the process, {by_thread:.2f} by that of the thread\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
