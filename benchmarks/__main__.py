"""The command line: ``python -m benchmarks [SECTION …] [--quick] [--rounds N] [--claims N]``."""

import os

# As the product does; read when numpy is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import cores, endpoint, latency, plot, scaling, soak, stages, startup, throughput
from benchmarks.broker import dropped, filled, running_broker
from benchmarks.conditions import conditions
from benchmarks.contenders import ECHO, OURS, PRODUCT, Contender
from benchmarks.earlier import YARDSTICK, Earlier, NoSuchCommitError, checkout, made, worker
from benchmarks.peers.field import PRESENT_NAME, peers, yardstick
from benchmarks.report import Results, write
from benchmarks.throughput import Field, Row
from benchmarks.transactions import round_trip
from benchmarks.workload import Workload, prepare
from model.files.writing import check_folder
from tests.broker.native import NativeKafka
from tests.harness.process import ROOT

SLOW_CLAIMS: Final = 20_000


class Bench(NamedTuple):
    """Everything a section needs."""

    options: argparse.Namespace
    kafka: NativeKafka
    workload: Workload
    cores: cores.Cores
    results: Results
    trees: Mapping[str, Earlier]
    """Other commits that take part."""

    @property
    def bootstrap(self) -> str:
        """Address of the broker."""
        return self.kafka.bootstrap


def say(text: str) -> None:
    """Report progress."""
    sys.stderr.write(f"bench: {text}\n")


def run_throughput(bench: Bench) -> None:
    """Everybody in turn, round after round."""
    contenders, refused = _contenders(bench)
    with_claims = {
        slow: filled(bench.bootstrap, bench.workload, count)
        for slow, count in _counts(bench).items()
    }
    for number in range(bench.options.rounds):
        for contender in contenders:
            field = _field(bench, contender, with_claims)
            run = throughput.run(contender, field, number)
            told = run.failed or f"{run.claims_per_s:,.0f} claims/s, {run.cpu_us:.1f} µs of CPU"
            say(f"round {number + 1}, {contender.name}: {told}")
            bench.results.runs.append(run)
            if run.verdict is not None and run.verdict.alerts != run.verdict.claims:
                bench.results.notes.append(
                    f"{contender.name}, round {number + 1}: {run.verdict.alerts:,} alerts "
                    f"for {run.verdict.claims:,} distinct claims"
                )
    bench.results.throughput = [*throughput.rows(contenders, bench.results.runs), *refused]
    dropped(bench.bootstrap, *with_claims.values())


def _contenders(bench: Bench) -> tuple[list[Contender], list[Row]]:
    asked = bench.options.sections
    found = list(OURS) if "throughput" in asked else [c for c in OURS if c.name in (ECHO, PRODUCT)]
    refused: list[Row] = []
    if "peers" in asked:
        for contender, why in peers(bench.options.only):
            if why:
                refused.append(Row(contender.name, contender.what, "-", failed=why))
            else:
                found.append(contender)
                if contender.name == PRESENT_NAME and YARDSTICK in bench.trees:
                    found.append(yardstick(contender, bench.trees[YARDSTICK]))
    if bench.options.against is not None:
        against = bench.options.against
        found.append(worker(against, bench.trees[against]))
    wanted = bench.options.only
    return [c for c in found if not wanted or any(w in c.name for w in wanted)], refused


def _counts(bench: Bench) -> dict[bool, int]:
    total = bench.options.claims
    return {False: total, True: min(total, SLOW_CLAIMS)}


def _field(bench: Bench, contender: Contender, topics: dict[bool, str]) -> Field:
    slow = contender.slow
    return Field(
        bench.bootstrap,
        topics[slow],
        _counts(bench)[slow],
        bench.workload.model,
        bench.cores.client,
        bench.options.seconds * (3 if slow else 1),
    )


def run_latency(bench: Bench) -> None:
    """Latency by rate next to the echo's, idle share, transaction round trip."""
    options, results = bench.options, bench.results
    results.latency, results.paired, results.idle_share = latency.curve(
        bench.bootstrap,
        bench.workload,
        bench.cores.client,
        options.rates,
        options.samples,
        5.0 if options.quick else 30.0,
    )
    for records, backoff in ((100, 1), (1_000, 1), (100, 100)):
        count = 20 if options.quick else 200
        results.round_trips.append(round_trip(bench.bootstrap, records, backoff, count))


def run_scaling(bench: Bench) -> None:
    """Cost per claim by workers and along a backlog."""
    claims = bench.options.claims
    bench.results.workers = scaling.by_workers(
        bench.bootstrap,
        bench.workload,
        bench.cores.workers,
        (1, 2, 4),
        claims,
        bench.options.rounds,
    )
    backlog = int(bench.options.backlog * 1_000_000)
    bench.results.backlog = scaling.by_backlog(
        bench.bootstrap, bench.workload, bench.cores.client, backlog, 10
    )


def run_http(bench: Bench) -> None:
    """The endpoint, next to that of earlier commits."""
    requests = 1_000 if bench.options.quick else 10_000
    servers = [
        endpoint.Server(PRODUCT, ROOT, bench.workload.model, sys.executable, arrays=True),
        *(endpoint.Server(f"{PRODUCT} {name}", *one) for name, one in bench.trees.items()),
    ]
    bench.results.http = endpoint.measure(
        servers, bench.workload.values, bench.cores.client, requests, bench.options.rounds
    )


def run_startup(bench: Bench) -> None:
    """Start to first alert."""
    topic = filled(bench.bootstrap, bench.workload, 20_000)
    rounds = 1 if bench.options.quick else 5
    bench.results.start_up = startup.start_up(
        bench.bootstrap, topic, bench.workload, bench.cores.client, rounds
    )
    dropped(bench.bootstrap, topic)


def run_stages(bench: Bench) -> None:
    """Inside one batch."""
    with cores.pinned(bench.cores.client):
        bench.results.stages = stages.stages(bench.workload, 20)
        bench.results.one_claim_us = stages.one_claim_us(bench.workload, 500)


def run_soak(bench: Bench) -> None:
    """Memory over minutes at full speed, the broker frozen in between."""
    bench.results.soak = soak.soak(
        bench.kafka, bench.workload, bench.cores.client, bench.options.minutes * 60, say
    )


SECTIONS: Final[dict[str, Callable[[Bench], None]]] = {
    "throughput": run_throughput,
    "peers": run_throughput,
    "stages": run_stages,
    "startup": run_startup,
    "http": run_http,
    "latency": run_latency,
    "scaling": run_scaling,
    "soak": run_soak,
}


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument(
        "sections", nargs="*", metavar="SECTION",
        help=f"one or more of {', '.join(SECTIONS)}; default: all",
    )  # fmt: skip
    made.add_argument("--rounds", type=int, help="rounds of the throughput sections (5, quick: 2)")
    made.add_argument("--claims", type=int, help="claims per run (400000, quick: 60000)")
    made.add_argument("--seconds", type=float, help="maximum seconds per run (20, quick: 8)")
    made.add_argument("--backlog", type=float, help="backlog in million claims (1, quick: 0.1)")
    made.add_argument("--minutes", type=float, help="minutes of the soak (10, quick: 1)")
    made.add_argument("--samples", type=int, help="claims at each rate (5000, quick: 200)")
    made.add_argument("--against", metavar="REV", help="also measure the worker of this commit")
    made.add_argument("--picture", type=Path, help="also draw the picture here")
    made.add_argument("--rates", type=int, nargs="+", default=[10, 100, 1_000], help="claims/s")
    made.add_argument(
        "--only", nargs="+", default=[], help="only contenders whose name contains this"
    )
    made.add_argument("--quick", action="store_true", help="small runs, to check that it works")
    made.add_argument("--output", type=Path, default=Path("reports/bench"))
    return made


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; what is not given depends on --quick."""
    made = parser()
    found = made.parse_args(arguments)
    unknown = set(found.sections) - set(SECTIONS)
    if unknown:
        made.error(f"no such section: {', '.join(sorted(unknown))}")
    found.sections = found.sections or list(SECTIONS)
    try:
        check_folder("--output", found.output)
    except OSError as error:
        made.error(str(error))
    quick = {
        "rounds": 2,
        "claims": 60_000,
        "seconds": 8.0,
        "backlog": 0.1,
        "minutes": 1.0,
        "samples": 200,
    }
    full = {
        "rounds": 5,
        "claims": 400_000,
        "seconds": 20.0,
        "backlog": 1.0,
        "minutes": 10.0,
        "samples": 5_000,
    }
    for name, value in (quick if found.quick else full).items():
        if getattr(found, name) is None:
            setattr(found, name, value)
    return found


def _earlier(
    asked: argparse.Namespace, folder: Path, stack: contextlib.ExitStack, results: Results
) -> dict[str, Earlier]:
    """The commits that take part: what peers and HTTP are measured against, and --against.

    Without a clone's history there is no yardstick, and the results say so.
    """
    found: dict[str, Earlier] = {}
    needed = {YARDSTICK} if {"peers", "http"} & set(asked.sections) else set()
    for commit in sorted(needed | ({asked.against} - {None})):
        say(f"making a model with the code of {commit}")
        try:
            tree = stack.enter_context(checkout(commit, folder))
        except NoSuchCommitError as error:
            if commit == asked.against:
                raise
            results.notes.append(f"not measured: {error}")
        else:
            found[commit] = made(tree, folder / f"model-{tree.name}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections asked for, and write the results after each."""
    asked = options(arguments)
    # If terminated, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = cores.plan()
        say("making claims and the model")
        workload = prepare(Path(folder))
        found = conditions(place, workload.described, workload.model_described)
        results = Results(found)
        with contextlib.ExitStack() as stack:
            trees = _earlier(asked, Path(folder), stack, results)
            say("starting the broker")
            kafka = stack.enter_context(running_broker(place))
            stack.enter_context(cores.pinned(place.broker))
            bench = Bench(asked, kafka, workload, place, results, trees)
            for section in dict.fromkeys(SECTIONS[name] for name in asked.sections):
                say((section.__doc__ or "").strip())
                section(bench)
                text = write(results, asked.output)
    for path in filter(None, (asked.output / "results.png", asked.picture)):
        plot.draw(results.throughput, results.latency, path)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
