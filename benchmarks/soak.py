"""Resident memory of a worker at full speed for minutes, its broker frozen in between."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from benchmarks.broker import append
from benchmarks.contenders import OURS, PRODUCT, product_environment
from benchmarks.loops.job import Job
from benchmarks.process import Program, started
from benchmarks.progress import Progress, first
from benchmarks.workload import Workload
from tests.broker import topics
from tests.broker.native import NativeKafka

PARTITIONS: Final = 4
AHEAD: Final = 400_000
"""Claims waiting at any time: the worker never waits for them."""
CHUNK: Final = 100_000
FROZEN_S: Final = 10.0
"""Shorter than sessions and transactions last: a fenced worker would end and restart."""
EVERY_S: Final = 2.5
SHORT: Final = {"retention.bytes": "134217728", "segment.bytes": "67108864"}
"""For each partition: what has been processed need not be kept."""


class Moment(msgspec.Struct, frozen=True):
    """The worker at one time."""

    at_s: float
    claims: int
    resident_mib: float
    frozen: bool


def soak(
    kafka: NativeKafka,
    workload: Workload,
    cores: frozenset[int],
    seconds: float,
    say: Callable[[str], None],
) -> list[Moment]:
    """One worker with more claims than it can score; half-way the broker is frozen.

    Raises:
        RuntimeError: the worker ended.
    """
    claims, alerts, letters = (
        topics.create(kafka.bootstrap, topics.fresh_name(stem), PARTITIONS, SHORT)
        for stem in ("claims", "alerts", "letters")
    )
    job = Job(kafka.bootstrap, claims, alerts, topics.fresh_name("group"), workload.model, 0, "")
    progress = Progress(kafka.bootstrap, "group", job.group, claims, alerts, PARTITIONS)
    product = next(c for c in OURS if c.name == PRODUCT)
    append(kafka.bootstrap, claims, workload, AHEAD, PARTITIONS)
    with started(product.command(), product_environment(job, letters, "1"), cores) as program:
        first(progress, [program], 90.0)
        moments: list[Moment] = []
        for moment in _moments(kafka, progress, program, claims, workload, seconds):
            moments.append(moment)
            say(
                f"{moment.at_s:4.0f} s {moment.claims:11,} claims {moment.resident_mib:6.1f} MiB"
                + (", broker frozen" if moment.frozen else "")
            )
    return moments


def _moments(
    kafka: NativeKafka,
    progress: Progress,
    program: Program,
    claims: str,
    workload: Workload,
    seconds: float,
) -> Iterator[Moment]:
    begin = time.monotonic()
    produced, freeze_at = AHEAD, seconds / 2
    while (at := time.monotonic() - begin) < seconds:
        if at >= freeze_at:
            freeze_at = float("inf")
            yield from _frozen(kafka, progress, program, begin)
            at = time.monotonic() - begin
        done = progress.count()
        while produced - done < AHEAD:
            append(kafka.bootstrap, claims, workload, CHUNK, PARTITIONS)
            produced += CHUNK
        program.check()
        yield Moment(at, done, program.usage().resident_mib, frozen=False)
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - begin - at)))


def _frozen(
    kafka: NativeKafka, progress: Progress, program: Program, begin: float
) -> Iterator[Moment]:
    done = progress.count()
    kafka.node.pause()
    try:
        end = time.monotonic() + FROZEN_S
        while time.monotonic() < end:
            program.check()
            memory = program.usage().resident_mib
            yield Moment(time.monotonic() - begin, done, memory, frozen=True)
            time.sleep(EVERY_S)
    finally:
        kafka.node.resume()
