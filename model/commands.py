"""What the commands of the command line do."""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model import artifact, datasets
from model.artifact import read_manifest
from model.datasets import Dataset
from model.decide import Cost, Fixed, PerDay, Policy, Top
from model.estimators import ALGORITHMS
from model.evaluate import Report
from model.evaluate import evaluate as evaluate_scores
from model.manifest import Manifest, SplitPlan
from model.train import FOLDS, Indices, Trained, pick, split, write
from model.train import train as train_model


def _load(options: argparse.Namespace) -> Dataset:
    dataset = datasets.load(options.data, options.format, seed=options.seed, rows=options.rows)
    for line in dataset.rejected:
        sys.stderr.write(f"refused: {line}\n")
    return dataset


def train(options: argparse.Namespace) -> None:
    """Train the algorithm asked for, or all; save each; print their figures."""
    dataset = _load(options)
    plan = SplitPlan(
        kind=options.split, test_size=options.test_size, seed=options.seed, cutoff=options.cutoff
    )
    every = options.algorithm == "all"
    console = Console()
    done: list[tuple[Trained, Path]] = []
    for algorithm in ALGORITHMS if every else (options.algorithm,):
        folder = options.output / algorithm if every else options.output
        artifact.refuse_foreign(folder)  # before the work, not after it
        trained = _train(dataset, algorithm, plan, options)
        _write(trained, folder, options)
        done.append((trained, folder))
    console.print(
        comparison(
            [(t.algorithm, t.report) for t, _ in done], f"{dataset.name}: {_described(plan)}"
        )
    )
    for _, folder in done:
        console.print(f"saved {folder}", soft_wrap=True, highlight=False)


def _train(
    dataset: Dataset, algorithm: str, plan: SplitPlan, options: argparse.Namespace
) -> Trained:
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(f"training {algorithm}", total=FOLDS + 1)
        return train_model(
            dataset,
            algorithm,
            plan,
            seed=options.seed,
            policy=_policy(options),
            on_fit=lambda: progress.advance(task),
        )


def _policy(options: argparse.Namespace) -> Policy:
    if options.alert_share is not None:
        return Top(options.alert_share)
    if options.alerts_per_day is not None:
        return PerDay(options.alerts_per_day)
    if options.costs is not None:
        missed_fraud, investigation = options.costs
        return Cost(missed_fraud, investigation)
    return Fixed(options.threshold)


def _write(trained: Trained, folder: Path, options: argparse.Namespace) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    write(trained, folder, created_at=now, name=options.name, version=options.model_version)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a saved model on the test side of a split, or on all rows."""
    scorer = artifact.load(options.model)
    manifest = read_manifest(options.model)
    dataset = _load(options)
    rows, plan = rows_to_test(manifest, dataset, options.split)
    seen = overlap(manifest, dataset, rows)
    if seen:
        sys.stderr.write(
            f"warning: {seen} of {len(rows)} rows were trained on: the figures flatter the model\n"
        )
    claims = pick(dataset.claims, rows)
    report = evaluate_scores(dataset.labels[rows], scorer.score(claims), scorer.threshold)
    if options.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    title = f"{dataset.name}: {_described(plan)}"
    Console().print(comparison([(scorer.name, report)], title))


def rows_to_test(
    manifest: Manifest, dataset: Dataset, kind: str | None
) -> tuple[Indices, SplitPlan]:
    """Rows to evaluate on: of the training data the side the model has not seen, if asked."""
    plan = manifest.split
    if kind is None:
        kind = plan.kind if _same_rows(manifest, dataset) else "none"
    if kind != plan.kind:
        plan = msgspec.structs.replace(plan, kind=kind, cutoff=None)
    return split(dataset, plan)[1], plan


def _same_rows(manifest: Manifest, dataset: Dataset) -> bool:
    """Whether the data set is the one trained on, so that its split can be repeated."""
    trained_on = manifest.trained_on
    if dataset.digest != trained_on.sha256:
        return False
    if len(dataset.claims) != trained_on.rows:
        raise ValueError(
            f"the model was trained on {trained_on.rows} rows of {trained_on.name}, "
            f"--rows reads {len(dataset.claims)} of them"
        )
    return True


def overlap(manifest: Manifest, dataset: Dataset, rows: Indices) -> int:
    """How many of the rows the model was trained on, as far as the data's digest tells."""
    if not _same_rows(manifest, dataset):
        return 0
    trained_on, _ = split(dataset, manifest.split)
    return len(np.intersect1d(trained_on, rows))


def _described(plan: SplitPlan) -> str:
    if plan.kind == "none":
        return "every row"
    if plan.kind == "random":
        return f"{plan.test_size:.0%} held out at random, seed {plan.seed}"
    if plan.cutoff is not None:
        return f"losses from {plan.cutoff} held out"
    return f"latest {plan.test_size:.0%} held out"


def comparison(reports: Sequence[tuple[str, Report]], title: str) -> Table:
    """Figures side by side, one column a model."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name, _ in reports:
        table.add_column(name, justify="right")
    for field in msgspec.structs.fields(Report):
        table.add_row(field.name, *(_figure(getattr(report, field.name)) for _, report in reports))
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
