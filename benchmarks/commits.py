"""``python -m benchmarks.commits COMMIT``: the worker of this tree next to that of another commit.

Both train a model on the same synthetic claims with their own code, then score the same topic, one
after the other in alternating order. The last line is the median of the ratios of the rounds.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

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


class Side(NamedTuple):
    """One of the two workers."""

    worker: Contender
    model: Path

    def speed(self, field: Field, number: int) -> float:
        """Claims per second of one run.

        Raises:
            RuntimeError: it failed.
        """
        run = throughput.run(self.worker, field._replace(model=self.model), number)
        if run.failed:
            raise RuntimeError(f"{self.worker.name}, round {number}: {run.failed}")
        return run.claims_per_s


def _side(name: str, tree: Path, folder: Path) -> Side:
    worker = Contender(f"{PRODUCT} {name}", "", "consumer", arguments=("run",), tree=tree)
    return Side(worker, _trained(tree, folder / name))


def _ratio(then: Side, now: Side, field: Field, number: int) -> float:
    """Speed now to speed then; who begins alternates."""
    found = {
        side: side.speed(field, number) for side in ((then, now) if number % 2 else (now, then))
    }
    ratio = found[now] / found[then]
    print(f"then {found[then]:9,.0f}   now {found[now]:9,.0f}   {ratio:.3f}", flush=True)
    return ratio


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the claims/s of each round, and the median of the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits", description=__doc__)
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="pairs (default %(default)s)")
    parser.add_argument("--claims", type=int, default=400_000, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="maximum per run")
    asked = parser.parse_args(arguments)
    # Ended from outside, it still ends what it started, and gives the checkout back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = cores.plan()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with _checkout(asked.commit, folder) as tree:
            then, now = _side("then", tree, folder), _side("now", ROOT, folder)
            workload = prepare(folder)
            with running_broker(place) as kafka, cores.pinned(place.broker):
                claims = filled(kafka.direct, workload, asked.claims)
                field = Field(
                    kafka.direct, claims, asked.claims, now.model, place.client, asked.seconds
                )
                ratios = [_ratio(then, now, field, number) for number in range(asked.rounds)]
    print(f"median of {asked.rounds} ratios to {asked.commit}: {statistics.median(ratios):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
