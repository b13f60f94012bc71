"""``python -m benchmarks.commits COMMIT``: the worker of this tree next to that of another commit.

Both train a model on the same synthetic claims with their own code, then score the same topic, one
after the other in alternating order. The last line is the median of the ratios of the rounds.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import cores, throughput
from benchmarks.broker import filled, running_broker
from benchmarks.contenders import PRODUCT, Contender
from benchmarks.throughput import Field
from benchmarks.workload import DISTINCT, REFERRED, SEED, prepare
from tests.harness.process import ROOT

TRAIN: Final = (
    *("-P", "-m", "model", "train", "--data", "synthetic", "--rows", str(DISTINCT)),
    *("--seed", str(SEED), "--algorithm", "gradient_boosting", "--alert-share", str(REFERRED)),
)


@contextlib.contextmanager
def _checkout(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit, for the length of the block."""
    git = ["git", "-C", str(ROOT), "worktree"]
    tree = folder / "tree"
    subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _trained(tree: Path, folder: Path) -> Path:
    """A model, trained by the code in a tree."""
    subprocess.run(
        [sys.executable, *TRAIN, "--output", str(folder)],
        check=True,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.DEVNULL,
    )
    return folder


def _rates(contender: Contender, field: Field, number: int) -> float:
    run = throughput.run(contender, field, number)
    if run.failed:
        raise RuntimeError(f"{contender.name}, round {number}: {run.failed}")
    return run.claims_per_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the claims/s of each round, and the median of the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits", description=__doc__)
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default %(default)s)")
    parser.add_argument("--claims", type=int, default=400_000, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="maximum per run")
    asked = parser.parse_args(arguments)
    place = cores.plan()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with _checkout(asked.commit, folder) as tree:
            pair = [
                (
                    Contender(f"{PRODUCT} {name}", "", "consumer", arguments=("run",), tree=code),
                    model,
                )
                for name, code, model in (
                    ("then", tree, _trained(tree, folder / "then")),
                    ("now", ROOT, _trained(ROOT, folder / "now")),
                )
            ]
            workload = prepare(folder)
            ratios: list[float] = []
            with running_broker(place) as kafka, cores.pinned(place.broker):
                claims = filled(kafka.direct, workload, asked.claims)
                for number in range(asked.rounds):
                    found: dict[str, float] = {}
                    for contender, model in pair if number % 2 else reversed(pair):
                        field = Field(
                            kafka.direct, claims, asked.claims, model, place.client, asked.seconds
                        )
                        found[contender.name] = _rates(contender, field, number)
                    then, now = found[f"{PRODUCT} then"], found[f"{PRODUCT} now"]
                    ratios.append(now / then)
                    print(f"then {then:9,.0f}   now {now:9,.0f}   {now / then:.3f}", flush=True)
    print(f"median of {asked.rounds} ratios to {asked.commit}: {statistics.median(ratios):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
