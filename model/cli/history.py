"""Training with history: the replay, the comparison with a model without it, what is said of it."""

import argparse
import sys
from collections.abc import Sequence

from model.arrays import Indices
from model.datasets.dataset import Dataset
from model.evaluation.memory import MemoryGain, memory_gain
from model.history.learning import DatasetPast, past_of, with_history
from model.leaks.check import LeakCheck
from model.leaks.history import history_signs, refuse_unless_allowed
from model.training.train import Trained


def replayed(dataset: Dataset) -> tuple[DatasetPast, Dataset]:
    """What the claims say of the past, and the claims with what each of them saw of it.

    Raises:
        ValueError: the contract does not say what is needed.
    """
    past = past_of(dataset)
    return past, with_history(dataset, past)


def check_for_leaks(
    checked: LeakCheck | None,
    past: DatasetPast,
    dataset: Dataset,
    rows: Indices,
    options: argparse.Namespace,
) -> LeakCheck | None:
    """Stop for a leak of the history's own; the check with what was allowed.

    Raises:
        ValueError: there is one.
    """
    found = history_signs(past, dataset.contract, dataset.claims, rows, options.seed)
    refuse_unless_allowed(found, options.allow_leak)
    if checked is None:
        return None
    return checked.with_more(found)


def gain_of(past: DatasetPast, dataset: Dataset, trained: Trained, without: Trained) -> MemoryGain:
    """What history adds to a model, and why that may be nothing, on standard error."""
    rows = trained.test_rows
    found = memory_gain(
        past,
        dataset.part(rows),
        rows,
        trained.test_scores,
        without.test_scores,
        without.levels.threshold,
    )
    for doubt in found.doubts:
        sys.stderr.write(f"warning: {trained.algorithm}: {doubt}\n")
    for note in found.notes:
        sys.stderr.write(f"history: {note}\n")
    return found


def named_without(family: Sequence[Trained]) -> list[str]:
    """Names of the models without history in a table."""
    return [f"{trained.algorithm}, no history" for trained in family]
