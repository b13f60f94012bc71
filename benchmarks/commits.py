"""``python -m benchmarks.commits COMMIT``: the worker of this tree next to that of another commit.

Both train a model on the same synthetic claims with their own code, then score the same topic, one
after the other in alternating order. The last line is the median of the ratios of the rounds.

With ``--reasons``, no broker: the CPU time of reasons, for 5 % of the claims with the code of the
other commit, for 15 % with that of this tree.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import cores, throughput
from benchmarks.broker import filled, running_broker
from benchmarks.contenders import Contender
from benchmarks.earlier import checkout, made, worker
from benchmarks.process import ONE_THREAD
from benchmarks.throughput import Field
from benchmarks.workload import prepare
from tests.harness.process import ROOT

EXPLAINING: Final = ROOT / "benchmarks" / "explaining.py"


def _speed(contender: Contender, field: Field, number: int) -> float:
    """Claims per second of one run.

    Raises:
        RuntimeError: it failed.
    """
    run = throughput.run(contender, field, number)
    if run.failed:
        raise RuntimeError(f"{contender.name}, round {number}: {run.failed}")
    return run.claims_per_s


def _side(name: str, tree: Path, folder: Path) -> Contender:
    return worker(name, made(tree, folder / name))


def _ratio(then: Contender, now: Contender, field: Field, number: int) -> float:
    """Ratio of the speed now to the speed then; they take turns to go first."""
    found = {
        side: _speed(side, field, number) for side in ((then, now) if number % 2 else (now, then))
    }
    ratio = found[now] / found[then]
    print(f"then {found[then]:9,.0f}   now {found[now]:9,.0f}   {ratio:.3f}", flush=True)
    return ratio


EXPLAINED_THEN: Final = 0.05
EXPLAINED_NOW: Final = 0.15


def _reasons(
    then: Contender, now: Contender, claims: Path, rounds: int
) -> list[tuple[float, float]]:
    """Cost of reasons now relative to then, each round: for claims not seen before, and again."""
    ratios = []
    for number in range(rounds):
        order = ((now, EXPLAINED_NOW), (then, EXPLAINED_THEN))
        found = {
            side: _explained(side, claims, share) for side, share in order[:: 1 - 2 * (number % 2)]
        }
        (new, again), (new_then, again_then) = found[now], found[then]
        print(
            f"then {new_then:6.2f} {again_then:6.2f}   now {new:6.2f} {again:6.2f} µs a claim, new "
            f"and again   {new / new_then:.3f} {again / again_then:.3f}",
            flush=True,
        )
        ratios.append((new / new_then, again / again_then))
    return ratios


def _explained(side: Contender, claims: Path, share: float) -> tuple[float, float]:
    """µs of CPU per claim: not seen before, and again; see `benchmarks.explaining`."""
    done = subprocess.run(
        [side.python, "-P", str(EXPLAINING), str(side.model), str(claims), str(share)],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(side.tree)},
        cwd=side.tree,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    new, again = map(float, done.stdout.split())
    return new, again


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the claims/s of each round, and the median of the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits", description=__doc__)
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default %(default)s)")
    parser.add_argument("--claims", type=int, default=400_000, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="maximum per run")
    parser.add_argument(
        "--reasons", action="store_true", help="the cost of reasons instead of the worker's speed"
    )
    asked = parser.parse_args(arguments)
    # If terminated, it still stops what it started, and removes the checkout.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = cores.plan()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with checkout(asked.commit, folder) as tree:
            then, now = _side("then", tree, folder), _side("now", ROOT, folder)
            workload = prepare(folder)
            if asked.reasons:
                claims_file = folder / "claims.jsonl"
                claims_file.write_bytes(b"\n".join(workload.values))
                with cores.pinned(place.client):
                    costs = _reasons(then, now, claims_file, asked.rounds)
                medians = [statistics.median(column) for column in zip(*costs, strict=True)]
                print(
                    f"reasons of {EXPLAINED_NOW:.0%} in those of {EXPLAINED_THEN:.0%} at "
                    f"{asked.commit}, median of {asked.rounds}: new claims {medians[0]:.3f}, "
                    f"again {medians[1]:.3f}"
                )
                return 0
            with running_broker(place) as kafka, cores.pinned(place.broker):
                claims = filled(kafka.direct, workload, asked.claims)
                field = Field(
                    kafka.direct, claims, asked.claims, workload.model, place.client, asked.seconds
                )
                ratios = [_ratio(then, now, field, number) for number in range(asked.rounds)]
    print(f"median of {asked.rounds} ratios to {asked.commit}: {statistics.median(ratios):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
