"""Month by month as it would have been: trained on what was known, tested on what came next."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.evaluate import Report, evaluate
from schemas.claim import Claim

Labels = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp]

LABEL_DELAY_DAYS: Final = 60
"""Days from a loss until it is known whether it was a fraud."""
FEWEST_FRAUDS: Final = 30
"""Known frauds that the first model needs."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One month: claims whose outcome was known before it, and figures on its own."""

    month: str
    trained_on: int
    report: Report


def windows(
    claims: Sequence[Claim], labels: Labels, delay_days: int = LABEL_DELAY_DAYS
) -> Iterator[tuple[str, Rows, Rows]]:
    """(month, rows to train on, rows to test on) for each month with enough known before it.

    A claim is known at the beginning of a month if its loss was `delay_days` or more before.
    """
    undated = dt.date.max
    days = np.array([(c.loss_date or undated).toordinal() for c in claims])
    starts = sorted({c.loss_date.replace(day=1) for c in claims if c.loss_date is not None})
    for start in starts:
        known = np.flatnonzero(days <= start.toordinal() - delay_days)
        after = (start + dt.timedelta(days=31)).replace(day=1)
        tested = np.flatnonzero((days >= start.toordinal()) & (days < after.toordinal()))
        if labels[known].sum() >= FEWEST_FRAUDS:
            yield f"{start:%Y-%m}", known, tested


def prequential(
    claims: Sequence[Claim],
    labels: Labels,
    fit: Callable[[Sequence[Claim], Labels], Any],
    predict: Callable[[Any, Sequence[Claim]], npt.NDArray[np.float64]],
    threshold: float,
    *,
    delay_days: int = LABEL_DELAY_DAYS,
    on_fit: Callable[[], None] = lambda: None,
) -> tuple[Step, ...]:
    """A new model each month (Dawid, "Prequential analysis", 1984; here by months).

    Args:
        claims: with their day of loss.
        labels: shape (n_claims,).
        fit: makes a model of claims and labels.
        predict: scores claims with it.
        threshold: claims at or above it count as referred.
        delay_days: from a loss until its label is known.
        on_fit: called after each month.
    """
    steps: list[Step] = []
    for month, known, tested in windows(claims, labels, delay_days):
        model = fit([claims[i] for i in known], labels[known])
        scores = predict(model, [claims[i] for i in tested])
        report = evaluate(labels[tested], scores, threshold)
        steps.append(Step(month=month, trained_on=len(known), report=report))
        on_fit()
    return tuple(steps)
