"""Latency at a steady rate: from producing a claim to its alert at a read_committed reader."""

import threading
import time
from typing import Final

import msgspec
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from benchmarks.broker import PARTITIONS, dropped, output
from benchmarks.contenders import OURS, PRODUCT, product_environment
from benchmarks.loops.job import Job
from benchmarks.process import Program, started
from benchmarks.progress import Progress, first
from benchmarks.workload import Workload, claim_record
from tests.broker import topics

SETTLE_S: Final = 2.0
WARM_RATE: Final = 1_000
LOST_S: Final = 20.0


class Latency(msgspec.Struct, frozen=True):
    """The product at one rate."""

    rate: int
    claims: int
    lost: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    late_ms: float
    """99th percentile of how late the producer itself was."""
    cpu_share: float


class Sender(threading.Thread):
    """Produces one claim at a time, each at its moment."""

    def __init__(
        self, bootstrap: str, topic: str, workload: Workload, rate: int, count: int, start: int
    ) -> None:
        super().__init__(name="sender")
        self.sent: dict[bytes, float] = {}
        self.late: list[float] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._topic, self._rate = topic, rate
        self._records = [claim_record(workload.values, start + i) for i in range(count)]

    def run(self) -> None:
        """Keep to the timetable: a late claim does not delay the next."""
        begin = time.perf_counter() + 0.05
        for i, (key, value) in enumerate(self._records):
            due = begin + i / self._rate
            time.sleep(max(0.0, due - time.perf_counter()))
            self.sent[key] = now = time.perf_counter()
            self.late.append(now - due)
            self._producer.produce(self._topic, value, key)
            self._producer.poll(0)
        self._producer.flush(30)


def reader_of(bootstrap: str, topic: str) -> Consumer:
    """Reads committed alerts from now on."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    reader.assign([TopicPartition(topic, p, OFFSET_END) for p in range(PARTITIONS)])
    reader.poll(1.0)
    return reader


def at_rate(program: Program, reader: Consumer, sender: Sender, rate: int, count: int) -> Latency:
    """Send, read, compare."""
    seen: dict[bytes, float] = {}
    before, begin = program.usage().cpu_s, time.perf_counter()
    sender.start()
    deadline = begin + count / rate + LOST_S
    while len(seen) < count and time.perf_counter() < deadline:
        message = reader.poll(0.1)
        if message is not None and message.error() is None:
            key = message.key()
            assert isinstance(key, bytes)
            seen.setdefault(key, time.perf_counter())
    used = (program.usage().cpu_s - before) / (time.perf_counter() - begin)
    sender.join()
    found = np.array([seen[key] - at for key, at in sender.sent.items() if key in seen]) * 1e3
    p50, p99, worst = np.percentile(found, [50, 99, 100]).tolist() if len(found) else [np.nan] * 3
    late = float(np.percentile(sender.late, 99)) * 1e3
    return Latency(rate, count, count - len(found), p50, p99, worst, late, used)


def idle_share(program: Program, seconds: float) -> float:
    """Share of a core it uses while no claim comes."""
    before, begin = program.usage().cpu_s, time.perf_counter()
    time.sleep(seconds)
    return (program.usage().cpu_s - before) / (time.perf_counter() - begin)


def curve(
    bootstrap: str, workload: Workload, cores: frozenset[int], rates: list[int], seconds: float
) -> tuple[list[Latency], float]:
    """The product at each rate, and its share of a core when idle."""
    claims = topics.create(bootstrap, topics.fresh_name("claims"), PARTITIONS)
    alerts, letters = output(bootstrap), output(bootstrap, 1)
    job = Job(bootstrap, claims, alerts, topics.fresh_name("group"), workload.model, 0, "")
    product = next(c for c in OURS if c.name == PRODUCT)
    progress = Progress(bootstrap, "group", job.group, claims, alerts, PARTITIONS)
    reader = reader_of(bootstrap, alerts)
    found: list[Latency] = []
    with started(product.command(), product_environment(job, letters, "1"), cores) as program:
        start = _warmed(bootstrap, claims, workload, progress, program, reader, 2 * seconds)
        for rate in rates:
            count = max(20, int(rate * seconds))
            sender = Sender(bootstrap, claims, workload, rate, count, start)
            start += count
            found.append(at_rate(program, reader, sender, rate, count))
            program.check()
        idle = idle_share(program, seconds)
    reader.close()
    dropped(bootstrap, claims, alerts, letters)
    return found, idle


def _warmed(
    bootstrap: str,
    claims: str,
    workload: Workload,
    progress: Progress,
    program: Program,
    reader: Consumer,
    seconds: float,
) -> int:
    """Send untimed claims first; returns their number.

    For the broker's sake: for its first minute at such a rate its just-in-time compiler takes most
    of its core, and every transaction waits for it.
    """
    count = int(WARM_RATE * seconds)
    warm = Sender(bootstrap, claims, workload, WARM_RATE, count, 0)
    warm.start()
    first(progress, [program], 90.0)
    warm.join()
    end = time.perf_counter() + SETTLE_S
    while time.perf_counter() < end or progress.count() < count:
        reader.consume(1_000, 0.05)
        program.check()
    return count
