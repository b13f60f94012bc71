"""The worker with MEMORY=on next to the worker without: throughput, and latency of single claims.

    python -m benchmarks.remembering [--claims N] [--rounds N] [--rate N] [--latency-claims N]

Claims are synthetic, of the contract `motor`, over three years, and name four persons and things
each. The worker without memory has a model trained without history, the other one a model trained
with it, on the same claims. Rounds are pairs in alternating order, each with its own topic for what
is remembered, empty at first.

For latency both run at the same time. Claims are sent to them alternately, at the given rate to
each, on a schedule that waits for neither; the one that remembers has loaded what the last round
left. A claim's time ends when a read_committed reader gets its alert.
"""

import argparse
import base64
import contextlib
import datetime as dt
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from benchmarks import cores, throughput
from benchmarks.broker import PARTITIONS, memory_log, output, running_broker
from benchmarks.contenders import PRODUCT, Contender
from benchmarks.loops.job import Job
from benchmarks.memory import SECRET
from benchmarks.process import Program, started
from benchmarks.progress import Progress, first
from benchmarks.throughput import Field, Run
from model.history.facts import DAY, at_start_of
from model.samples import motor
from tests.broker import topics
from tests.harness.process import ROOT

TRAIN: Final = (
    *("-P", "-m", "model", "train", "--data", "synthetic", "--contract", "motor", "--rows", "8000"),
    *("--seed", "9", "--split", "time", "--algorithm", "gradient_boosting"),
    *("--alert-share", "0.05"),
)
SEED: Final = 1
SETTLE_S: Final = 5.0
WARM_SHARE: Final = 0.1
"""Of the claims sent for latency: these come first and do not count."""
LOST_S: Final = 20.0
FOREVER: Final = {"retention.ms": "-1"}


class Timed(NamedTuple):
    """A claim as it is produced."""

    key: bytes
    value: bytes
    at_ms: int


class Side(NamedTuple):
    """One of the two workers."""

    name: str
    model: Path
    remembers: bool


class Place(NamedTuple):
    """Where both run."""

    bootstrap: str
    cores: frozenset[int]
    folder: Path


def made(count: int) -> list[Timed]:
    """This many claims in the order of their reports, without what was found later."""
    events = sorted(motor.generate(count, SEED), key=lambda event: str(event["reported_on"]))
    return [
        Timed(
            str(event["claim_no"]).encode(),
            msgspec.json.encode({n: v for n, v in event.items() if n != "outcome"}),
            at_start_of(dt.date.fromisoformat(event["reported_on"]).toordinal()) + DAY // 2,
        )
        for event in events
    ]


def trained(name: str, place: Path, *options: str) -> Path:
    """A model."""
    folder = place / name
    subprocess.run(
        [sys.executable, *TRAIN, *options, "--output", str(folder)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder


def sent(bootstrap: str, claims: Sequence[Timed]) -> str:
    """A topic with these claims, as they came in."""
    name = topics.create(bootstrap, topics.fresh_name("claims"), PARTITIONS, FOREVER)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for number, (key, value, at_ms) in enumerate(claims):
        producer.produce(name, value, key, partition=number % PARTITIONS, timestamp=at_ms)
        if len(producer) > 20_000:
            producer.flush(60)
    left = producer.flush(120)
    assert left == 0, f"{left} claims could not be produced"
    return name


def worker(side: Side, place: Place, log: str) -> Contender:
    """How to start a worker, which remembers in this topic if it remembers at all."""
    key = place.folder / "memory.key"
    key.write_bytes(base64.b64encode(SECRET))
    settings = {
        "MEMORY": "on",
        "MEMORY_TOPIC": log,
        "MEMORY_STORE": str(place.folder / "stores"),
        "MEMORY_KEY_FILE": str(key),
    }
    return Contender(
        f"{PRODUCT} {side.name}",
        "",
        "consumer",
        arguments=("run",),
        settings=tuple(settings.items()) if side.remembers else (),
    )


def pair(
    sides: tuple[Side, Side], place: Place, field: Field, log: str, number: int
) -> tuple[Run, Run]:
    """A run of each; they take turns to go first.

    Raises:
        RuntimeError: one failed.
    """
    found = {}
    for side in sides[:: 1 - 2 * (number % 2)]:
        run = throughput.run(worker(side, place, log), field._replace(model=side.model), number)
        if run.failed:
            raise RuntimeError(f"{run.contender}, round {number}: {run.failed}")
        found[side] = run
    return found[sides[0]], found[sides[1]]


class Way(NamedTuple):
    """A worker that waits for single claims."""

    claims: str
    alerts: str
    program: Program
    progress: Progress


def latency(
    sides: tuple[Side, Side], place: Place, log: str, claims: Sequence[Timed], rate: int
) -> tuple[list[float], list[float]]:
    """Milliseconds from claim to alert, for each of the two, in the order of sending.

    Raises:
        RuntimeError: alerts are missing.
    """
    with contextlib.ExitStack() as stack:
        ways = [_started(side, place, log, stack, claims[n]) for n, side in enumerate(sides)]
        reader = Consumer(
            {
                "bootstrap.servers": place.bootstrap,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        stack.callback(reader.close)
        reader.assign(
            [TopicPartition(way.alerts, p, OFFSET_END) for way in ways for p in range(PARTITIONS)]
        )
        end = time.perf_counter() + SETTLE_S
        while time.perf_counter() < end:
            reader.poll(0.1)
        times = _exchange(place, reader, ways, claims[2:], rate)
    cut = int(WARM_SHARE * min(map(len, times)))
    return times[0][cut:], times[1][cut:]


def _started(side: Side, place: Place, log: str, stack: contextlib.ExitStack, claim: Timed) -> Way:
    """A worker that has scored one claim."""
    bootstrap = place.bootstrap
    topic = topics.create(bootstrap, topics.fresh_name("claims"), PARTITIONS)
    alerts, letters = output(bootstrap), output(bootstrap, 1)
    group = topics.fresh_name("group")
    contender = worker(side, place, log)
    job = Job(bootstrap, topic, alerts, group, side.model, 0, "")
    program = stack.enter_context(
        started(contender.command(), contender.environment(job, letters), place.cores)
    )
    topics.fill(bootstrap, topic, [(claim.key, claim.value)])
    progress = Progress(bootstrap, "group", group, topic, alerts, PARTITIONS)
    first(progress, [program], 180.0)
    return Way(topic, alerts, program, progress)


def _exchange(
    place: Place, reader: Consumer, ways: Sequence[Way], claims: Sequence[Timed], rate: int
) -> tuple[list[float], ...]:
    """Send claims alternately, and read their alerts meanwhile."""
    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 0})
    sent_at: dict[bytes, float] = {}
    took: dict[bytes, float] = {}

    def read(wait_s: float) -> None:
        message = reader.poll(wait_s)
        if message is not None and message.error() is None:
            key = message.key()
            assert isinstance(key, bytes)
            took.setdefault(key, (time.perf_counter() - sent_at[key]) * 1e3)

    begin = time.perf_counter()
    for number, claim in enumerate(claims):
        due = begin + number / (rate * len(ways))
        while (left := due - time.perf_counter()) > 0:
            read(left)
        sent_at[claim.key] = time.perf_counter()
        producer.produce(ways[number % len(ways)].claims, claim.value, claim.key)
        producer.poll(0)
    producer.flush(30)
    deadline = time.perf_counter() + LOST_S
    while len(took) < len(claims) and time.perf_counter() < deadline:
        read(0.1)
        for way in ways:
            way.program.check()
    if len(took) < len(claims):
        raise RuntimeError(f"{len(claims) - len(took)} of {len(claims)} alerts are missing")
    return tuple([took[claim.key] for claim in claims[n :: len(ways)]] for n in range(len(ways)))


def interval(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """95 % interval of the ratio of medians, from resampled pairs."""
    rng, rows = np.random.default_rng(0), np.array(pairs)
    drawn = rows[rng.integers(0, len(rows), (1_000, len(rows)))]
    ratios = np.divide(*np.median(drawn, axis=1).T[::-1])
    low, high = np.percentile(ratios, [2.5, 97.5]).tolist()
    return low, high


def main(arguments: Sequence[str] | None = None) -> int:
    """Print claims/s of each round and the median of their ratios; then latencies."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remembering")
    parser.add_argument("--claims", type=int, default=200_000, help="a run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="maximum per run")
    parser.add_argument("--rate", type=int, default=10, help="claims a second, of each")
    parser.add_argument("--latency-claims", type=int, default=1_000, help="to each")
    asked = parser.parse_args(arguments)
    # If terminated, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cut = cores.plan()
    say = sys.stdout.write
    every = made(asked.claims + 2 * asked.latency_claims + 2)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        sides = (
            Side("without", trained("without", folder), remembers=False),
            Side("remembering", trained("remembering", folder, "--history"), remembers=True),
        )
        with running_broker(cut) as kafka, cores.pinned(cut.broker):
            place = Place(kafka.direct, cut.client, folder)
            topic = sent(place.bootstrap, every[: asked.claims])
            field = Field(place.bootstrap, topic, asked.claims, folder, cut.client, asked.seconds)
            ratios = []
            log = ""
            for number in range(asked.rounds):
                log = memory_log(place.bootstrap)
                off, on = pair(sides, place, field, log, number)
                ratios.append((on.claims_per_s / off.claims_per_s, on.cpu_us / off.cpu_us))
                say(
                    f"without {off.claims_per_s:8,.0f} claims/s, {off.cpu_us:5.1f} µs of CPU, "
                    f"{off.resident_mib:4.0f} MiB   "
                    f"with {on.claims_per_s:8,.0f}, {on.cpu_us:5.1f}, {on.resident_mib:4.0f}   "
                    f"{ratios[-1][0]:.3f}\n"
                )
                sys.stdout.flush()
            speed, cost = map(statistics.median, zip(*ratios, strict=True))
            say(
                f"medians of {asked.rounds} ratios: {speed:.3f} of the speed, {cost:.2f} times the "
                "CPU\n"
            )
            log = log or memory_log(place.bootstrap)
            times = latency(sides, place, log, every[asked.claims :], asked.rate)
    for side, found in zip(sides, times, strict=True):
        p50, p90, p99 = np.percentile(found, [50, 90, 99])
        say(f"{side.name}: p50 {p50:.2f} ms, p90 {p90:.2f}, p99 {p99:.2f}, of {len(found)}\n")
    low, high = interval(list(zip(*times, strict=True)))
    ratio = statistics.median(times[1]) / statistics.median(times[0])
    say(f"ratio of the medians {ratio:.3f} ({low:.3f} to {high:.3f})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
