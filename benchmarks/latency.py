"""Latency at a steady rate: from producing a claim to its alert at a read_committed reader.

The product and the echo run at the same time, each with topics of its own, and are sent claims in
turn, on the same timetable: a slice for one, the same slice for the other; they take turns to go
first.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from benchmarks.broker import PARTITIONS, dropped, output
from benchmarks.contenders import ECHO, OURS, PRODUCT
from benchmarks.loops.job import Job
from benchmarks.process import Program, started
from benchmarks.progress import Progress, first
from benchmarks.workload import Workload, claim_record
from model.arrays import Numbers
from tests.broker import topics

SETTLE_S: Final = 2.0
WARM_RATE: Final = 1_000
LOST_S: Final = 20.0
SLICE_S: Final = 0.5
LEAST_SLICE: Final = 50
"""Claims of a slice; at a low rate it lasts longer."""
LEAST_PAIRS: Final = 20
DRAWS: Final = 1_000


class Latency(msgspec.Struct, frozen=True):
    """One program at one rate."""

    program: str
    rate: int
    claims: int
    lost: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    late_ms: float
    """99th percentile of how late the producer itself was."""
    cpu_share: float


class Paired(msgspec.Struct, frozen=True):
    """The product's latency relative to the echo's, at one rate; intervals are of 95 %."""

    rate: int
    pairs: int
    p50: float
    p50_interval: tuple[float, float]
    p99: float
    p99_interval: tuple[float, float]


class Slice(NamedTuple):
    """What became of the claims of one slice."""

    taken_ms: Numbers
    """By claim, for those that arrived."""
    late_ms: Numbers
    lost: int
    seconds: float
    cpu_s: float


class Lane(NamedTuple):
    """A program, where its claims go and where its alerts are read."""

    name: str
    program: Program
    reader: Consumer
    progress: Progress
    claims: str


class Sender(threading.Thread):
    """Produces one claim at a time, each when it is due."""

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


def sent(lane: Lane, sender: Sender, rate: int, count: int) -> Slice:
    """Send a slice of claims and read their alerts."""
    seen: dict[bytes, float] = {}
    before, begin = lane.program.usage().cpu_s, time.perf_counter()
    sender.start()
    deadline = begin + count / rate + LOST_S
    while len(seen) < count and time.perf_counter() < deadline:
        message = lane.reader.poll(0.1)
        if message is not None and message.error() is None:
            key = message.key()
            assert isinstance(key, bytes)
            seen.setdefault(key, time.perf_counter())
    seconds = time.perf_counter() - begin
    used = lane.program.usage().cpu_s - before
    sender.join()
    lane.program.check()
    taken = np.array([seen[key] - at for key, at in sender.sent.items() if key in seen]) * 1e3
    return Slice(taken, np.array(sender.late) * 1e3, count - len(taken), seconds, used)


def summed(name: str, rate: int, slices: Sequence[Slice]) -> Latency:
    """All slices of a program at a rate."""
    taken = np.concatenate([one.taken_ms for one in slices])
    p50, p99, worst = np.percentile(taken, [50, 99, 100]).tolist() if len(taken) else [np.nan] * 3
    lost = sum(one.lost for one in slices)
    late = float(np.percentile(np.concatenate([one.late_ms for one in slices]), 99))
    share = sum(one.cpu_s for one in slices) / sum(one.seconds for one in slices)
    return Latency(name, rate, len(taken) + lost, lost, p50, p99, worst, late, share)


def paired(rate: int, ours: Sequence[Slice], echoes: Sequence[Slice]) -> Paired:
    """Ratios of the percentiles, with intervals from resampled pairs of slices."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(ours), (DRAWS, len(ours)))

    def ratios(rows: Iterable[int]) -> Numbers:
        rows = list(rows)
        above, below = (
            np.percentile(np.concatenate([side[row].taken_ms for row in rows]), [50, 99])
            for side in (ours, echoes)
        )
        found: Numbers = above / below
        return found

    p50, p99 = ratios(range(len(ours))).tolist()
    bounds = np.percentile([ratios(rows.tolist()) for rows in drawn], [2.5, 97.5], axis=0)
    (low50, low99), (high50, high99) = bounds.tolist()
    return Paired(rate, len(ours), p50, (low50, high50), p99, (low99, high99))


def idle_share(program: Program, seconds: float) -> float:
    """Share of a core it uses while no claims come in."""
    before, begin = program.usage().cpu_s, time.perf_counter()
    time.sleep(seconds)
    return (program.usage().cpu_s - before) / (time.perf_counter() - begin)


def curve(
    bootstrap: str,
    workload: Workload,
    cores: frozenset[int],
    rates: Sequence[int],
    samples: int,
    warm_s: float,
) -> tuple[list[Latency], list[Paired], float]:
    """Product and echo at each rate, the ratios, and the product's share of a core when idle.

    Args:
        bootstrap: address of the broker.
        workload: the claims and the model.
        cores: of both programs.
        rates: claims/s.
        samples: fewest claims of each program at each rate.
        warm_s: seconds for which untimed claims are sent to each first.
    """
    found: list[Latency] = []
    pairs: list[Paired] = []
    with (
        _lane(PRODUCT, bootstrap, workload, cores) as product,
        _lane(ECHO, bootstrap, workload, cores) as echo,
    ):
        start = 0
        for lane in (product, echo):
            start = _warmed(bootstrap, lane, workload, start, warm_s)
        for rate in rates:
            count = max(LEAST_SLICE, int(rate * SLICE_S))
            slices: dict[str, list[Slice]] = {PRODUCT: [], ECHO: []}
            for number in range(max(LEAST_PAIRS, -(-samples // count))):
                for lane in (product, echo)[:: 1 - 2 * (number % 2)]:
                    sender = Sender(bootstrap, lane.claims, workload, rate, count, start)
                    start += count
                    slices[lane.name].append(sent(lane, sender, rate, count))
            found += [summed(name, rate, some) for name, some in slices.items()]
            pairs.append(paired(rate, slices[PRODUCT], slices[ECHO]))
        idle = idle_share(product.program, 2 * SETTLE_S)
    return found, pairs, idle


@contextlib.contextmanager
def _lane(name: str, bootstrap: str, workload: Workload, cores: frozenset[int]) -> Iterator[Lane]:
    claims = topics.create(bootstrap, topics.fresh_name("claims"), PARTITIONS)
    alerts, letters = output(bootstrap), output(bootstrap, 1)
    job = Job(bootstrap, claims, alerts, topics.fresh_name("group"), workload.model, 0, "")
    contender = next(c for c in OURS if c.name == name)
    if name == ECHO:
        contender = contender._replace(module="benchmarks.loops.prompt_echo")
    progress = Progress(bootstrap, "group", job.group, claims, alerts, PARTITIONS)
    reader = reader_of(bootstrap, alerts)
    with started(contender.command(), contender.environment(job, letters), cores) as program:
        yield Lane(name, program, reader, progress, claims)
    reader.close()
    dropped(bootstrap, claims, alerts, letters)


def _warmed(bootstrap: str, lane: Lane, workload: Workload, start: int, seconds: float) -> int:
    """Send untimed claims first; returns the number of the next.

    This is for the broker: for its first minute at such a rate its just-in-time compiler takes most
    of its core, and every transaction waits for it.
    """
    count = int(WARM_RATE * seconds)
    warm = Sender(bootstrap, lane.claims, workload, WARM_RATE, count, start)
    warm.start()
    first(lane.progress, [lane.program], 90.0)
    warm.join()
    end = time.perf_counter() + SETTLE_S
    while time.perf_counter() < end or lane.progress.count() < count:
        lane.reader.consume(1_000, 0.05)
        lane.program.check()
    return start + count
