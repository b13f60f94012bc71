"""From the start of the process to the first committed alert, and the memory it then has."""

import statistics
import subprocess
import sys
import time

import msgspec

from benchmarks.broker import PARTITIONS, dropped, output
from benchmarks.contenders import OURS, PRODUCT, product_environment
from benchmarks.cores import pinned
from benchmarks.loops.job import Job
from benchmarks.process import ONE_THREAD, started
from benchmarks.progress import Progress, first
from benchmarks.workload import Workload
from tests.broker import topics
from tests.harness.process import ROOT


class StartUp(msgspec.Struct, frozen=True):
    """Medians."""

    imports_s: float
    first_alert_s: float
    resident_mib: float


def start_up(
    bootstrap: str, topic: str, workload: Workload, cores: frozenset[int], rounds: int
) -> StartUp:
    """Start the worker on a topic with claims, several times, each in a new group."""
    runs = [_once(bootstrap, topic, workload, cores) for _ in range(rounds)]
    return StartUp(
        statistics.median(_imports(cores) for _ in range(rounds)),
        statistics.median(seconds for seconds, _ in runs),
        max(memory for _, memory in runs),
    )


def _once(
    bootstrap: str, topic: str, workload: Workload, cores: frozenset[int]
) -> tuple[float, float]:
    alerts, letters = output(bootstrap), output(bootstrap, 1)
    job = Job(bootstrap, topic, alerts, topics.fresh_name("group"), workload.model, 0, "")
    product = next(c for c in OURS if c.name == PRODUCT)
    progress = Progress(bootstrap, "group", job.group, topic, alerts, PARTITIONS)
    with started(product.command(), product_environment(job, letters, "1"), cores) as program:
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
