"""Month by month as in reality: trained on what was known, tested on what came next."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.arrays import Indices, Labels
from model.datasets.duplicates import groups_of
from model.metrics import Report, evaluate
from schemas.claim import Claim

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
    claims: Sequence[Claim], labels: Labels, delay_days: int = LABEL_DELAY_DAYS
) -> Iterator[tuple[str, Indices, Indices]]:
    """(month, rows to train on, rows to test on) for each month with enough known before it.

    A claim is known at the beginning of a month if its loss, and its report if stated, was
    `delay_days` or more before, and no copy of it is tested on.
    """
    lost = np.array([(c.loss_date or dt.date.max).toordinal() for c in claims])
    reported = np.array([(c.report_date or dt.date.min).toordinal() for c in claims])
    found, groups = np.maximum(lost, reported) + delay_days, groups_of(claims)
    months = np.array(["" if c.loss_date is None else c.loss_date.isoformat()[:7] for c in claims])
    for month in filter(None, np.unique(months).tolist()):
        start = dt.date.fromisoformat(f"{month}-01").toordinal()
        tested = np.flatnonzero(months == month)
        known = np.flatnonzero((found <= start) & ~np.isin(groups, groups[tested]))
        if labels[known].sum() >= FEWEST_FRAUDS:
            yield month, known, tested


def prequential(
    claims: Sequence[Claim],
    labels: Labels,
    fit: Callable[[Sequence[Claim], Labels], Any],
    predict: Callable[[Any, Sequence[Claim]], npt.NDArray[np.float64]],
    threshold: float,
    *,
    delay_days: int = LABEL_DELAY_DAYS,
    on_fit: Callable[[], None] = lambda: None,
) -> tuple[MonthlyStep, ...]:
    """A new model each month (Dawid, "Prequential analysis", 1984; here by months).

    Args:
        claims: with their loss dates.
        labels: shape (n_claims,).
        fit: creates a model from claims and labels.
        predict: scores claims with it.
        threshold: claims at or above it count as referred.
        delay_days: from a loss, or its report, until its label is known.
        on_fit: called after each month.
    """
    steps: list[MonthlyStep] = []
    for month, known, tested in windows(claims, labels, delay_days):
        model = fit([claims[i] for i in known], labels[known])
        scores = predict(model, [claims[i] for i in tested])
        report = evaluate(labels[tested], scores, threshold)
        steps.append(MonthlyStep(month=month, trained_on=len(known), report=report))
        on_fit()
    return tuple(steps)
