"""One store of very many claims: its size, the cost of a claim, and the process's own memory, part
by part.

    python -m benchmarks.growth [--claims N] [--parts N] [--folder PATH]

Claims are those of `benchmarks.memory`, spread over three years, with half as many persons of each
of four kinds as there are claims. They are taken in as by a worker that fills its store, and every
tenth batch first asks for the histories of its claims. Times are CPU, µs a claim.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.memory import (
    BATCH,
    SECRET,
    asked_of,
    contract,
    days,
    log_facts,
    own_memory,
    refs_of,
)
from consumer.memory.facts.folder import DATA
from consumer.memory.store import open_store
from consumer.models.service import COLLECT_EVERY
from model.history.keys import KeyMaker
from model.history.plan import Bounds, kinds_in

READ_EVERY: Final = 10
"""Batches."""


class Part(NamedTuple):
    """The figures after this many claims."""

    claims: int
    own_mb: float
    """Memory of the process that is not backed by a file."""
    used_gb: float
    """What the store takes up on disk."""
    apply_us: float
    histories_us: float


def grow(count: int, parts: int, folder: Path) -> None:
    """Fill a store, and print each part."""
    of, bounds = contract(), Bounds()
    kinds, maker = kinds_in(of), KeyMaker(of, SECRET)
    names = [kind.kind for kind in kinds]
    gc.collect()
    gc.freeze()  # as workers do
    gc.set_threshold(COLLECT_EVERY)
    store = open_store(folder / "store", kinds, bounds, "f" * 16, "t")
    batches = count // BATCH
    a_day = max(1, -(-batches // bounds.days))
    apply_s = histories_s = 0.0
    read = 0
    say = sys.stdout.write
    say("| claims | RssAnon MB | store GB | apply µs | histories µs |\n|---|---|---|---|---|\n")
    for number, day in enumerate(days(batches, of, a_day, persons=count // 2)):
        keys = maker.all_keys(day.claims)
        if number % READ_EVERY == 0:
            asked = asked_of(day, refs_of(day), keys)
            start = time.process_time()
            store.histories(asked, {})
            histories_s += time.process_time() - start
            read += 1
        facts = log_facts(day, keys, names)
        start = time.process_time()
        store.apply(facts, {0: number})
        apply_s += time.process_time() - start
        if (number + 1) % (batches // parts) == 0:
            done = (number + 1) * BATCH
            used = (folder / "store" / DATA).stat().st_blocks * 512 / 1e9
            each = 1e6 * parts / count
            part = Part(
                done, own_memory(), used, apply_s * each, histories_s * 1e6 / (read * BATCH)
            )
            say(f"| {part.claims:,} | " + " | ".join(f"{one:.1f}" for one in part[1:]) + " |\n")
            sys.stdout.flush()
            apply_s = histories_s = 0.0
            read = 0
    store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--claims", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the store is; deleted in the end")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        grow(options.claims, options.parts, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
