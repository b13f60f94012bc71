"""History: what it adds on synthetic motor claims, with rings and with random links; its cost.

    python -m benchmarks.history [--rows N] [--seeds N] [--claims N]

Figures are for the latest fifth of the claims, gradient boosting, with the 95 % interval of
the difference. The cost is CPU µs a claim with six kinds, five of them person-like, and a finding
for one claim in eight; the ratio is to reading and writing the same keys in a plain dictionary.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from model.artifact.manifest import SplitPlan
from model.datasets.dataset import of_events
from model.evaluation.memory import MemoryGain, memory_gain
from model.history.facts import DAY, ClaimFact, OutcomeFact
from model.history.learning import past_of, with_history
from model.history.plan import Bounds, EntityKind
from model.history.replay import Incoming
from model.history.store import DictStore, EntityKey
from model.metrics import Report
from model.samples import motor
from model.samples.rings import Links
from model.training.train import split, train
from schemas.contract.parse import shipped

PERSONS: Final = 40_000
"""Of each of five kinds."""
GARAGES: Final = 300
BATCH: Final = 1_000
OUTCOME_AFTER: Final = 5_000
"""Claims between a claim and its finding."""
ALGORITHM: Final = "gradient_boosting"
EVERY: Final[tuple[Links, ...]] = ("rings", "random")


class HistoryFigures(NamedTuple):
    """Figures of one data set."""

    seed: int
    links: Links
    report: Report
    gain: MemoryGain


def figures(rows: int, seed: int, links: Links) -> HistoryFigures:
    """With history and without, on the same claims and split."""
    events = motor.generate(rows, seed, links)
    stated = of_events(shipped("motor"), events, f"motor {rows} {seed} {links}")
    past = past_of(stated)
    dataset = with_history(stated, past)
    plan = SplitPlan(kind="time")
    sides = split(dataset, plan)
    one, other = (train(data, ALGORITHM, plan, sides=sides) for data in (dataset, stated))
    tested = dataset.part(sides.test)
    gain = memory_gain(
        past, tested, sides.test, one.test_scores, other.test_scores, other.levels.threshold
    )
    return HistoryFigures(seed, links, one.report, gain)


def told(found: HistoryFigures) -> str:
    """One line of figures."""
    report, gain = found.report, found.gain
    parts = [
        f"{getattr(report, name) or 0:.3f} / {getattr(gain.without, name) or 0:.3f} "
        f"({gain.gains[name].low:+.3f} to {gain.gains[name].high:+.3f})"
        for name in ("roc_auc", "average_precision", "recall_at_10pct")
    ]
    return f"| {found.links}, seed {found.seed} | {' | '.join(parts)} |"


class HistoryCosts(NamedTuple):
    """CPU µs a claim."""

    read: float
    """The function: features of one claim as of a moment."""
    apply: float
    """Taking the claim, and findings, into the store."""
    bare: float
    """The same keys read and written in a dictionary of lists."""


def incoming(count: int) -> list[Incoming]:
    """Three years of claims that name five persons and a garage each."""
    rng = np.random.default_rng(1)
    named = np.column_stack(
        [rng.integers(0, PERSONS, (count, 5)), rng.zipf(1.5, count) % GARAGES]
    ).tolist()
    days = np.sort(rng.integers(0, 1_095, count)).tolist()
    return [
        Incoming(
            ClaimFact(
                claim=number.to_bytes(16, "big"),
                known_at=day * DAY,
                policy=row[0].to_bytes(16, "big"),
            ),
            tuple((kind, name.to_bytes(16, "big")) for kind, name in enumerate(row)),
        )
        for number, (day, row) in enumerate(zip(days, named, strict=True))
    ]


def costs(count: int) -> HistoryCosts:
    """Batches of claims, each read and then taken in."""
    kinds = [EntityKind(kind=f"k{n}", like="person") for n in range(5)]
    store = DictStore([*kinds, EntityKind(kind="garage", like="business")], Bounds())
    claims = incoming(count)
    plain: dict[EntityKey, list[bytes]] = {}
    spent = np.zeros(3)
    for start in range(0, count, BATCH):
        batch = claims[start : start + BATCH]
        times = [time.process_time()]
        for fact, keys in batch:
            store.history(fact.claim, keys, fact.known_at)
        times.append(time.process_time())
        for number, (fact, keys) in enumerate(batch, start=start):
            store.remember(fact, keys)
            if number % 8 == 0:
                earlier = max(0, number - OUTCOME_AFTER).to_bytes(16, "big")
                fraud = number % 16 == 0
                store.learn(OutcomeFact(claim=earlier, known_at=fact.known_at, fraud=fraud))
        times.append(time.process_time())
        _bare(plain, batch)
        times.append(time.process_time())
        spent += np.diff(times)
    return HistoryCosts(*(1e6 * spent / count).tolist())


def _bare(plain: dict[EntityKey, list[bytes]], batch: Sequence[Incoming]) -> None:
    for fact, keys in batch:
        for key in keys:
            plain.get(key)
        for key in keys:
            plain.setdefault(key, []).append(fact.claim)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--claims", type=int, default=100_000)
    options = parser.parse_args(arguments)
    say = sys.stdout.write
    say("| with / without | ROC AUC | average precision | recall in the top 10 % |\n")
    say("|---|---|---|---|\n")
    for links in EVERY:
        for seed in range(1, options.seeds + 1):
            say(f"{told(figures(options.rows, seed, links))}\n")
    found = costs(options.claims)
    ratio = (found.read + found.apply) / found.bare
    say(
        f"\nCPU µs a claim: function {found.read:.1f}, taking in {found.apply:.1f}, a dictionary "
        f"of the same keys {found.bare:.1f}; ratio {ratio:.1f}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
