"""Cost per claim by number of workers, and over a long backlog."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from benchmarks.broker import dropped, filled, output
from benchmarks.contenders import OURS, PRODUCT, product_environment
from benchmarks.loops.job import Job
from benchmarks.process import Program, started
from benchmarks.progress import Pace, Progress, Sample, first, follow, pace
from benchmarks.workload import Workload
from tests.broker import topics

PARTITIONS: Final = 8
LIMIT_S: Final = 600.0


class Workers(msgspec.Struct, frozen=True):
    """A number of workers in one group on a topic of eight partitions; medians over rounds."""

    workers: int
    claims_per_s: float
    cpu_us: float
    ratio_of_cost: float
    """Cost per claim, compared with one worker's in the same round."""
    lowest: float
    """Of these ratios."""
    highest: float


class Stretch(msgspec.Struct, frozen=True):
    """One part of a long backlog."""

    from_claim: int
    to_claim: int
    claims_per_s: float
    cpu_us: float
    resident_mib: float


class Backlog(msgspec.Struct, frozen=True):
    """One worker through a long backlog."""

    parts: list[Stretch]
    first_again: Stretch
    """The first part once more, by a new worker right after the last one: the machine itself may be
    slower by then than it was at the start."""


def by_workers(
    bootstrap: str,
    workload: Workload,
    cores: frozenset[int],
    counts: Sequence[int],
    claims: int,
    rounds: int,
) -> list[Workers]:
    """The same claims with each number of workers, which share the cores, round after round."""
    topic = filled(bootstrap, workload, claims, PARTITIONS)
    runs: dict[int, list[Pace]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count, found in runs.items():
            with _group(bootstrap, topic, workload, cores, count) as (progress, programs):
                first(progress, programs, 90.0)
                found.append(pace(follow(progress, programs, claims, LIMIT_S), claims))
    dropped(bootstrap, topic)
    alone = [run.cpu_us for run in runs[counts[0]]]
    return [_workers(count, found, alone) for count, found in runs.items()]


def _workers(count: int, runs: Sequence[Pace], alone: Sequence[float]) -> Workers:
    ratios = [run.cpu_us / one for run, one in zip(runs, alone, strict=True)]
    return Workers(
        count,
        median(run.per_s for run in runs),
        median(run.cpu_us for run in runs),
        median(ratios),
        min(ratios),
        max(ratios),
    )


def by_backlog(
    bootstrap: str, workload: Workload, cores: frozenset[int], claims: int, parts: int
) -> Backlog:
    """One worker through a long backlog, in equal parts."""
    topic = filled(bootstrap, workload, claims, PARTITIONS)
    ends = [claims * part // parts for part in range(1, parts + 1)]
    found = _followed(bootstrap, topic, workload, cores, ends)
    (again,) = _followed(bootstrap, topic, workload, cores, ends[:1])
    dropped(bootstrap, topic)
    return Backlog(found, again)


def _followed(
    bootstrap: str, topic: str, workload: Workload, cores: frozenset[int], ends: Sequence[int]
) -> list[Stretch]:
    """A new worker up to each number of claims."""
    with _group(bootstrap, topic, workload, cores, 1) as (progress, programs):
        first(progress, programs, 90.0)
        seen: list[tuple[Sample, float]] = []
        for end in ends:
            samples = follow(progress, programs, end, LIMIT_S)
            if not seen:
                seen.append((samples[0], 0.0))
            seen.append((samples[-1], programs[0].usage().resident_mib))
    return [_stretch(a, b, memory) for (a, _), (b, memory) in pairwise(seen)]


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
