"""Cost per claim by number of workers, and over a long backlog."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from benchmarks.broker import dropped, filled, output
from benchmarks.contenders import OURS, PRODUCT, product_environment
from benchmarks.loops.job import Job
from benchmarks.process import Program, started
from benchmarks.progress import Progress, Sample, first, follow, pace
from benchmarks.workload import Workload
from tests.broker import topics

PARTITIONS: Final = 8
LIMIT_S: Final = 600.0


class Workers(msgspec.Struct, frozen=True):
    """This many workers of one group on a topic of eight partitions."""

    workers: int
    claims_per_s: float
    cpu_us: float
    ratio_of_cost: float
    """Cost per claim, compared with one worker's."""


class Stretch(msgspec.Struct, frozen=True):
    """One part of a long backlog."""

    from_claim: int
    to_claim: int
    claims_per_s: float
    cpu_us: float
    resident_mib: float


def by_workers(
    bootstrap: str, workload: Workload, cores: frozenset[int], counts: Sequence[int], claims: int
) -> list[Workers]:
    """The same claims with each number of workers, which share the cores."""
    topic = filled(bootstrap, workload, claims, PARTITIONS)
    found: list[Workers] = []
    for count in counts:
        with _group(bootstrap, topic, workload, cores, count) as (progress, programs):
            first(progress, programs, 90.0)
            measured = pace(follow(progress, programs, claims, LIMIT_S), claims)
        base = found[0].cpu_us if found else measured.cpu_us
        ratio = measured.cpu_us / base
        found.append(Workers(count, measured.per_s, measured.cpu_us, ratio))
    dropped(bootstrap, topic)
    return found


def by_backlog(
    bootstrap: str, workload: Workload, cores: frozenset[int], claims: int, parts: int
) -> list[Stretch]:
    """One worker through a long backlog, in equal parts."""
    topic = filled(bootstrap, workload, claims, PARTITIONS)
    with _group(bootstrap, topic, workload, cores, 1) as (progress, programs):
        first(progress, programs, 90.0)
        ends: list[tuple[Sample, float]] = []
        for part in range(1, parts + 1):
            samples = follow(progress, programs, claims * part // parts, LIMIT_S)
            if not ends:
                ends.append((samples[0], 0.0))
            ends.append((samples[-1], programs[0].usage().resident_mib))
    dropped(bootstrap, topic)
    return [_stretch(a, b, memory) for (a, _), (b, memory) in pairwise(ends)]


def _stretch(start: Sample, end: Sample, resident_mib: float) -> Stretch:
    claims = max(1, end.claims - start.claims)
    return Stretch(
        start.claims,
        end.claims,
        claims / max(1e-9, end.at - start.at),
        (end.cpu_s - start.cpu_s) / claims * 1e6,
        resident_mib,
    )


@contextlib.contextmanager
def _group(
    bootstrap: str, topic: str, workload: Workload, cores: frozenset[int], count: int
) -> Iterator[tuple[Progress, list[Program]]]:
    """This many workers of one new group."""
    alerts, letters = output(bootstrap, PARTITIONS), output(bootstrap, 1)
    job = Job(bootstrap, topic, alerts, topics.fresh_name("group"), workload.model, 0, "")
    product = next(c for c in OURS if c.name == PRODUCT)
    with contextlib.ExitStack() as stack:
        programs = [
            stack.enter_context(
                started(product.command(), product_environment(job, letters, str(i)), cores)
            )
            for i in range(count)
        ]
        yield Progress(bootstrap, "group", job.group, topic, alerts, PARTITIONS), programs
    dropped(bootstrap, alerts, letters)
