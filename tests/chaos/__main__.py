"""``python -m tests.chaos --rounds 200 --seed 1``: play rounds, report what was broken."""

import argparse
import itertools
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.broker.jars import NoKafkaError, jars, version
from tests.chaos import faults, mutants
from tests.chaos.memory import STORES, StoreKind
from tests.chaos.record import append, digest, row
from tests.chaos.round import Arena, Case, Membership, Protocol, Result
from tests.database.native import NoPostgresError, programs

PROTOCOLS: Sequence[Protocol] = ("classic", "consumer")
MEMBERSHIPS: Sequence[Membership] = ("static", "dynamic")
REFUSED: tuple[Protocol, Membership] = ("consumer", "static")
"""By the settings of the worker."""
LOGS = Path("reports") / "chaos"


def chosen(options: argparse.Namespace) -> list[faults.Fault]:
    """The faults that were asked for; those of a store only where it may be."""
    wanted = [faults.BY_NAME[name] for name in options.fault] or faults.ALL
    return [
        fault
        for fault in wanted
        if fault.name not in options.without and possible(fault, stores(options))
    ]


def stores(options: argparse.Namespace) -> Sequence[StoreKind | None]:
    """Where workers may remember; only None: they do not."""
    return (options.store or STORES) if options.memory else [None]


def possible(fault: faults.Fault, asked: Sequence[StoreKind | None]) -> Sequence[StoreKind | None]:
    """Of the stores that were asked for, those with which there can be rounds of a fault."""
    return [store for store in asked if not fault.stores or store in fault.stores]


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Every combination in an order of the seed's, again and again."""
    combinations = [
        combination
        for combination in itertools.product(
            chosen(options),
            options.protocol or PROTOCOLS,
            options.membership or MEMBERSHIPS,
        )
        if combination[1:] != REFUSED
    ]
    random.Random(options.seed).shuffle(combinations)
    # Rounds on three nodes follow each other: a cluster is started once in a while, not each time.
    combinations.sort(key=lambda combination: combination[0].nodes)
    numbered = enumerate(itertools.cycle(combinations), start=1)
    for number, (fault, protocol, membership) in numbered:
        if number >= options.first:
            seed = f"{options.seed}:{number}"
            store = random.Random(f"{seed}:store").choice(possible(fault, stores(options)))
            yield Case(fault, protocol, membership, seed, options.mutant, options.kafka, store)


def line(number: int, result: Result) -> str:
    ended = " ".join(f"{w}:{','.join(map(str, c))}" for w, c in result.codes.items())
    verdict = "BROKEN" if result.broken else "ok"
    told = f"{number:4} {verdict:6} {result.case} {result.records} records "
    told += f"{result.seconds:.1f} s [{ended}]"
    return "\n".join([told, *(f"       {b}" for b in result.broken)])


def summary(results: Sequence[Result]) -> str:
    rounds = Counter(r.case.fault.name for r in results)
    broken = Counter(r.case.fault.name for r in results if r.broken)
    rows = [f"{name:24} {n:5} rounds {broken[name]:4} broken" for name, n in rounds.items()]
    failing = [f"  {r.case} (logs: {r.logs})" for r in results if r.broken]
    total = f"{len(results)} rounds, {sum(r.records for r in results)} records, "
    total += f"{len(failing)} broken"
    return "\n".join([*sorted(rows), total, *failing])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    made.add_argument("--rounds", type=int, default=20)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--first", type=int, default=1, help="start at this round of the seed's")
    made.add_argument("--fault", action="append", default=[], choices=sorted(faults.BY_NAME))
    made.add_argument("--without", action="append", default=[], choices=sorted(faults.BY_NAME))
    made.add_argument("--protocol", action="append", choices=PROTOCOLS)
    made.add_argument("--membership", action="append", choices=MEMBERSHIPS)
    made.add_argument("--kafka", default=version(), help="version of Apache Kafka to play on")
    made.add_argument("--memory", action="store_true", help="the workers remember claims")
    made.add_argument(
        "--store", action="append", choices=STORES, help="where (by default, any by the seed)"
    )
    made.add_argument("--mutant", choices=sorted(mutants.ALL), help="a worker with a known flaw")
    made.add_argument("--logs", type=Path, default=LOGS, help="where logs of broken rounds stay")
    made.add_argument("--record", type=Path, help="add each round to this file (JSON lines)")
    made.add_argument("--keep-logs", action="store_true", help="keep those of sound rounds too")
    return made


def main() -> int:
    options = parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        jars(options.kafka)
        if "postgresql" in stores(options):
            programs()
    except (NoKafkaError, NoPostgresError) as why:
        sys.stderr.write(f"{why}\n")
        return 2
    results: list[Result] = []
    # Of what the launcher is about to import.
    code = {store: digest(store) for store in stores(options)}
    arena = Arena(options.logs, keep_logs=options.keep_logs)
    try:
        for case in itertools.islice(cases(options), options.rounds):
            results.append(arena.play(case))
            if options.record:
                append(options.record, row(results[-1], code[case.store]))
            sys.stdout.write(line(len(results), results[-1]) + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
    finally:
        arena.close()
        sys.stdout.write(summary(results) + "\n")
    return 1 if any(r.broken for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
