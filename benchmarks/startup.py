"""From the start of the process to the first committed alert, and the memory it then has."""

import statistics
import subprocess
import sys
import time

import msgspec

from benchmarks.broker import PARTITIONS, dropped, output
from benchmarks.contenders import ECHO, OURS, PRODUCT
from benchmarks.cores import pinned
from benchmarks.loops.job import Job
from benchmarks.process import ONE_THREAD, started
from benchmarks.progress import Progress, first
from benchmarks.workload import Workload
from tests.broker import topics
from tests.harness.process import ROOT


class StartUp(msgspec.Struct, frozen=True):
    """Medians; the echo's in the same rounds."""

    imports_s: float
    first_alert_s: float
    resident_mib: float
    echo_first_alert_s: float
    echo_resident_mib: float


def start_up(
    bootstrap: str, topic: str, workload: Workload, cores: frozenset[int], rounds: int
) -> StartUp:
    """Start worker and echo on a topic with claims, several times, each in a new group."""
    runs: dict[str, list[tuple[float, float]]] = {PRODUCT: [], ECHO: []}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(_once(name, bootstrap, topic, workload, cores))
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in runs.items()
    }
    imports = statistics.median(_imports(cores) for _ in range(rounds))
    return StartUp(imports, *medians[PRODUCT], *medians[ECHO])


def _once(
    name: str, bootstrap: str, topic: str, workload: Workload, cores: frozenset[int]
) -> tuple[float, float]:
    alerts, letters = output(bootstrap), output(bootstrap, 1)
    job = Job(bootstrap, topic, alerts, topics.fresh_name("group"), workload.model, 0, "")
    contender = next(c for c in OURS if c.name == name)
    progress = Progress(bootstrap, "group", job.group, topic, alerts, PARTITIONS)
    with started(contender.command(), contender.environment(job, letters), cores) as program:
        seconds = first(progress, [program], 90.0) - program.started
        memory = program.usage().resident_mib
    dropped(bootstrap, alerts, letters)
    return seconds, memory


def _imports(cores: frozenset[int]) -> float:
    with pinned(cores):
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "import consumer.__main__"], cwd=ROOT, env=ONE_THREAD, check=True
        )
        return time.perf_counter() - begin
