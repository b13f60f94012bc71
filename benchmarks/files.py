"""Scoring a file compared with a worker's batches: claims per second, and memory by file length.

    python -m benchmarks.files [--claims N] [--rounds N] [--model DIR]

The worker's part is `consumer.batch.process.process` on records in memory, with encoded alerts and
without Kafka; for a file everything counts, from opening it to the renamed output. Rounds are
interleaved in one process, in CPU time, and the ratio is of the medians. Memory is the peak of a
separate process, for the file and for one eight times as long.
"""

import argparse
import csv
import datetime as dt
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil

from benchmarks.stages import FromMemory
from benchmarks.workload import SEED, prepare
from consumer.batch.process import process
from consumer.models.service import keep_out_of_collections
from model.datasets import synthetic
from model.offline.run import Told, score_file
from model.scoring.load import load
from model.scoring.scorer import Scorer

BATCH: Final = 1_000
LONGER: Final = 8

Work = Callable[[], object]


class Place(NamedTuple):
    """The same claims in every form."""

    folder: Path
    scorer: Scorer
    values: Sequence[bytes]

    def file(self, ending: str, times: int = 1) -> Path:
        """A file of the claims, repeated this many times."""
        path = self.folder / f"claims-{times}.{ending}"
        if not path.exists():
            write = {"csv": _write_csv, "jsonl": _write_lines}[ending]
            write(path, self.values, times, list(self.scorer.contract.fields))
        return path


def _write_lines(path: Path, values: Sequence[bytes], times: int, _: Sequence[str]) -> None:
    with path.open("wb") as file:
        for _again in range(times):
            file.write(b"\n".join([*values, b""]))


def _write_csv(path: Path, values: Sequence[bytes], times: int, names: Sequence[str]) -> None:
    rows = list(map(msgspec.json.decode, values))
    used = [name for name in names if any(name in row for row in rows)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(used)
        for _ in range(times):
            writer.writerows([_cell(row.get(name)) for name in used] for row in rows)


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def contenders(place: Place) -> Iterator[tuple[str, Work]]:
    """The worker's batches, then files."""
    scorer, values, now = place.scorer, place.values, dt.datetime.now(dt.UTC)
    parts = [
        [FromMemory(i, b"%d" % i, v) for i, v in enumerate(values[start : start + BATCH])]
        for start in range(0, len(values), BATCH)
    ]
    yield "worker's batches", lambda: [process(part, scorer, now) for part in parts]
    for given, made in (("csv", "csv"), ("csv", "parquet"), ("csv", "jsonl"), ("jsonl", "jsonl")):
        file, output = place.file(given), place.folder / f"scored.{made}"
        yield f"{given} to {made}", partial(_score, scorer, file, output)


def _score(scorer: Scorer, file: Path, output: Path) -> None:
    quiet = Told(lambda _: None, lambda _: None, lambda *_: None)
    score_file(scorer, file, output, None, quiet)


def measure(place: Place, rounds: int) -> dict[str, float]:
    """Median CPU µs per claim."""
    works = dict(contenders(place))
    spent: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    keep_out_of_collections()
    order = list(works)
    for _ in range(rounds):
        for name in order:
            begin = time.process_time()
            works[name]()
            spent[name].append((time.process_time() - begin) / len(place.values) * 1e6)
        order = [*order[1:], order[0]]
    return {name: statistics.median(found) for name, found in spent.items()}


def peak_mib(model: Path, file: Path, output: Path) -> float:
    """Peak resident memory of the command, sampled every 20 ms."""
    command = ("score", "--model", model, "--data", file, "--output", output)
    peak = 0
    with subprocess.Popen(
        [sys.executable, "-m", "model", *map(str, command)], stderr=subprocess.DEVNULL
    ) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, watched.memory_info().rss)
            time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"score ended with {process.returncode}")
    return peak / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each contender, and memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files")
    parser.add_argument("--claims", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path, help="of auto claims; default: one is trained")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        model = asked.model or prepare(folder).model
        claims, _ = synthetic.generate(asked.claims, SEED)
        values = list(map(msgspec.json.encode, claims))
        place = Place(folder, load(model), values)
        found = measure(place, asked.rounds)
        worker = next(iter(found.values()))
        for contender, cpu_us in found.items():
            sys.stdout.write(
                f"{contender:18} {cpu_us:7.2f} µs  {1e6 / cpu_us:9,.0f} claims/s and core  "
                f"{worker / cpu_us:5.2f} of the worker\n"
            )
        for times in (1, LONGER):
            file, output = place.file("csv", times), folder / "memory.csv"
            mib = peak_mib(model, file, output)
            sys.stdout.write(f"{times * len(values):9,} claims of CSV: peak {mib:.0f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
