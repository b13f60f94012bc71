"""Claims per second of each contender, side by side and interleaved."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException

from benchmarks.broker import PARTITIONS, dropped, output
from benchmarks.contenders import ECHO, Contender
from benchmarks.loops.job import Job
from benchmarks.process import started
from benchmarks.progress import Pace, Progress, first, follow, pace
from benchmarks.verify import Verdict, verify
from tests.broker import topics

START_S: Final = 90.0


class Run(msgspec.Struct, frozen=True):
    """One run of one contender."""

    contender: str
    round: int
    claims_per_s: float = 0.0
    cpu_us: float = 0.0
    claims: int = 0
    seconds: float = 0.0
    resident_mib: float = 0.0
    verdict: Verdict | None = None
    failed: str = ""


class Row(msgspec.Struct, frozen=True):
    """A contender's runs in one line."""

    contender: str
    what: str
    guarantee: str
    claims_per_s: float = float("nan")
    least: float = float("nan")
    most: float = float("nan")
    ratio_to_echo: float = float("nan")
    cpu_us: float = float("nan")
    resident_mib: float = float("nan")
    failed: str = ""


class Field(NamedTuple):
    """The place where contenders run."""

    bootstrap: str
    claims: str
    total: int
    model: Path
    cores: frozenset[int]
    limit_s: float


def run(contender: Contender, field: Field, number: int) -> Run:
    """Start it with its own output and group, and follow it to the end or the time limit."""
    alerts, group = output(field.bootstrap), topics.fresh_name("group")
    letters = output(field.bootstrap, 1)
    job = Job(field.bootstrap, field.claims, alerts, group, field.model, 0, "")
    progress = Progress(field.bootstrap, contender.sign, group, field.claims, alerts, PARTITIONS)
    environment = contender.environment(job, letters)
    try:
        with started(contender.command(), environment, field.cores, contender.tree) as program:
            first(progress, [program], START_S)
            samples = follow(progress, [program], field.total, field.limit_s)
            found: Pace = pace(samples, field.total)
            memory = program.usage().resident_mib
        verdict = verify(field.bootstrap, alerts) if contender.name != ECHO else None
    except (KafkaException, RuntimeError, TimeoutError, ValueError) as error:
        return Run(contender.name, number, failed=str(error))
    finally:
        dropped(field.bootstrap, alerts, letters)
    return Run(contender.name, number, *found, resident_mib=memory, verdict=verdict)


def rows(contenders: Iterable[Contender], runs: Sequence[Run]) -> list[Row]:
    """Median, spread and ratio to the echo of the same round."""
    echoes = {r.round: r.claims_per_s for r in runs if r.contender == ECHO and not r.failed}
    return [_row(c, [r for r in runs if r.contender == c.name], echoes) for c in contenders]


def _row(contender: Contender, runs: Sequence[Run], echoes: dict[int, float]) -> Row:
    good = [r for r in runs if not r.failed]
    if not good:
        why = runs[0].failed if runs else "not run"
        return Row(contender.name, contender.what, contender.guarantee, failed=why)
    paces = [r.claims_per_s for r in good]
    ratios = [r.claims_per_s / echoes[r.round] for r in good if r.round in echoes]
    return Row(
        contender.name,
        contender.what,
        contender.guarantee,
        claims_per_s=statistics.median(paces),
        least=min(paces),
        most=max(paces),
        ratio_to_echo=statistics.median(ratios) if ratios else float("nan"),
        cpu_us=statistics.median(r.cpu_us for r in good),
        resident_mib=max(r.resident_mib for r in good),
    )
