"""Month by month as in reality: trained on what was known, tested on what came next."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.arrays import Indices, Labels
from model.datasets.dataset import Dataset
from model.features.facts import UNDATED
from model.metrics import Report, evaluate

LABEL_DELAY_DAYS: Final = 60
"""Days from a loss, or its report, until it is known whether it was fraud."""
FEWEST_FRAUDS: Final = 30
"""Known frauds that the first model needs."""


class MonthlyStep(msgspec.Struct, frozen=True, kw_only=True):
    """One month: number of claims whose outcome was known before it, and figures on its claims."""

    month: str
    trained_on: int
    report: Report


def windows(
    dataset: Dataset, delay_days: int = LABEL_DELAY_DAYS
) -> Iterator[tuple[str, Indices, Indices]]:
    """(month, rows to train on, rows to test on) for each month with enough known before it.

    A claim is known at the beginning of a month if its loss, and its report if stated, was
    `delay_days` or more before, and no copy of it is tested on.
    """
    days, groups, labels = dataset.days, dataset.groups, dataset.labels
    happened = np.where(days == UNDATED, dt.date.max.toordinal(), days)
    found = np.maximum(happened, dataset.reported) + delay_days
    months = months_of(days)
    for month in filter(None, np.unique(months).tolist()):
        start = dt.date.fromisoformat(f"{month}-01").toordinal()
        tested = np.flatnonzero(months == month)
        known = np.flatnonzero((found <= start) & ~np.isin(groups, groups[tested]))
        if labels[known].sum() >= FEWEST_FRAUDS:
            yield month, known, tested


def months_of(days: Indices) -> npt.NDArray[np.str_]:
    """The month of each day, as 2026-03; "" of an undated one."""
    distinct, place = np.unique(days, return_inverse=True)
    names = ["" if d == UNDATED else f"{dt.date.fromordinal(d):%Y-%m}" for d in distinct.tolist()]
    return np.array(names)[place]


def prequential(
    dataset: Dataset,
    fit: Callable[[Sequence[Any], Labels], Any],
    predict: Callable[[Any, Sequence[Any]], npt.NDArray[np.float64]],
    threshold: float,
    *,
    delay_days: int = LABEL_DELAY_DAYS,
    on_fit: Callable[[], None] = lambda: None,
) -> tuple[MonthlyStep, ...]:
    """A new model each month (Dawid, "Prequential analysis", 1984; here by months).

    Args:
        dataset: the claims.
        fit: creates a model from claims and labels.
        predict: scores claims with it.
        threshold: claims at or above it count as referred.
        delay_days: from a loss, or its report, until its label is known.
        on_fit: called after each month.
    """
    steps: list[MonthlyStep] = []
    claims, labels = dataset.claims, dataset.labels
    for month, known, tested in windows(dataset, delay_days):
        model = fit([claims[i] for i in known], labels[known])
        scores = predict(model, [claims[i] for i in tested])
        report = evaluate(labels[tested], scores, threshold)
        steps.append(MonthlyStep(month=month, trained_on=len(known), report=report))
        on_fit()
    return tuple(steps)
