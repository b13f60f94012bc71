"""The search that chose the defaults of `model.families`, repeatable: ``python -m model search``.

Only losses before `quality.TEST_FROM` are used. Each candidate is fitted on the past and scored on
the following window, in four windows; a window is weighted by its frauds, as nine months have
almost none. Candidates within `PLATEAU` of the best are considered equal, and the smallest of them
is the default.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from model.datasets.dataset import Dataset
from model.reports.table import TextTable, number
from model.studies.quality import METRICS, Predict, predict
from model.training import splits

__all__ = ["candidates", "validate"]

WINDOWS: Final = 4
PLATEAU: Final = 0.003
"""Difference in validated ROC AUC that cannot be distinguished from chance here."""
SEED: Final = 42

WEEKDAYS: Final = ("loss_weekday", "loss_weekend", "report_weekday", "report_weekend")

_GRID: Final[Mapping[str, tuple[Mapping[str, object], ...]]] = {
    "logistic_regression": (
        {},
        {"weigh__C": 0.02},
        {"weigh__C": 0.2},
        {"cross__crossed": 0},
        {"cross__crossed": 8},
        {"cross__crossed": 20},
        {"cross__ranges": 10},
    ),
    "random_forest": (
        {},
        {"forest__max_features": 0.3},
        {"forest__max_features": 1.0},
        {"forest__max_leaf_nodes": 16},
        {"forest__max_leaf_nodes": None, "forest__min_samples_leaf": 10},
        {"forest__min_samples_leaf": 20},
    ),
    "gradient_boosting": (
        {},
        {"boosting__max_leaf_nodes": 4},
        {"boosting__max_leaf_nodes": 6},
        {"boosting__max_leaf_nodes": 16},
        {"boosting__max_iter": 30},
        {"boosting__max_iter": 100, "boosting__learning_rate": 0.05},
        {"boosting__max_iter": 150},
        {"boosting__min_samples_leaf": 60},
        {"boosting__l2_regularization": 10.0},
        {"boosting__max_features": 0.5},
    ),
}


class Candidate(NamedTuple):
    """Changes to the defaults of one family."""

    algorithm: str
    parameters: Mapping[str, object]
    extra: tuple[str, ...] = ()
    """Columns in addition to the default features."""

    def __str__(self) -> str:
        changes = [f"{k.split('__')[1]}={v}" for k, v in self.parameters.items()]
        if self.extra:
            changes.append(f"with {' '.join(self.extra)}")
        return ", ".join(changes) or "default"


def candidates() -> list[Candidate]:
    """All candidates; the defaults of each family first."""
    return [
        candidate
        for algorithm, grid in _GRID.items()
        for candidate in (
            *(Candidate(algorithm, parameters) for parameters in grid),
            Candidate(algorithm, {}, WEEKDAYS),
        )
    ]


def before(dataset: Dataset, day: dt.date) -> Dataset:
    """The claims whose loss was before that day."""
    rows, _ = splits.cutoff_split(dataset.days, day, dataset.groups)
    return dataset.part(rows)


def validate(
    dataset: Dataset, candidate: Candidate, windows: int = WINDOWS, predict: Predict = predict
) -> dict[str, float]:
    """Metrics of a candidate, forward in time, weighted by the frauds of each window."""
    names = (*dataset.contract.features(), *candidate.extra)
    found, frauds = [], []
    for train, test in splits.forward_folds(dataset.days, windows, groups=dataset.groups):
        y, p = predict(
            dataset, train, test, candidate.algorithm, names, SEED, **candidate.parameters
        )
        found.append([metric(y, p) for metric in METRICS.values()])
        frauds.append(int(y.sum()))
    means = np.average(found, axis=0, weights=frauds)
    return dict(zip(METRICS, means.tolist(), strict=True))


def table(rows: Sequence[tuple[Candidate, dict[str, float]]], title: str) -> TextTable:
    """Candidates as a readable table, one row each."""
    cells = [
        [candidate.algorithm, str(candidate), *map(number, metrics.values())]
        for candidate, metrics in rows
    ]
    return TextTable(["family", "candidate", *METRICS], cells, title, text=(0, 1))
