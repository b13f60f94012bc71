"""What history adds to a model: the same claims, split and family, with it and without it.

The figures are those of the replay, in which each claim sees what was known when it came in. A join
of the claims with what is known today promises more than any service can deliver.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from model.arrays import Indices, Matrix, Scores
from model.datasets.dataset import Dataset
from model.evaluation.bootstrap import Interval, gains, intervals
from model.history.facts import DAY
from model.history.features import SUFFIXES
from model.history.learning import DatasetPast, matrix_of
from model.history.plan import HistoryPlan
from model.metrics import Report, evaluate

SHORT: Final = 365
"""Days of history before a claim that the features need to see all they look at."""
FEW_FRAUDS: Final = 50
"""Frauds that became known while claims still came in: with fewer, nothing can be learnt."""
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
RARE: Final = 0.01
"""Share of the tested claims that name somebody with a known outcome."""


class KindReach(msgspec.Struct, frozen=True, kw_only=True):
    """How far the history of one kind reaches; shares of the tested claims."""

    kind: str
    named: float
    """They name one of the kind."""
    seen: float
    """They name one that an earlier claim named."""
    decided: float
    """The outcome of one of these was known."""
    frauds: float
    """One of these was known to be fraud."""
    common: float
    """They name one that is taken for a placeholder."""


class MemoryGain(msgspec.Struct, frozen=True, kw_only=True):
    """What history adds."""

    plan: HistoryPlan
    without: Report
    """Of the same family without history, on the same claims."""
    intervals: dict[str, Interval]
    """Of its figures."""
    gains: dict[str, Interval]
    """Of the figures with history minus those without, by bootstrap on the same draws."""
    kinds: tuple[KindReach, ...]
    days: float
    """Days of history before the tested claims: half of them have less."""
    frauds: int
    """Frauds that became known while claims still came in."""
    doubts: tuple[str, ...] = ()
    """Why history cannot help, or why the figures do not show whether it does."""
    notes: tuple[str, ...] = ()


def memory_gain(
    past: DatasetPast,
    tested: Dataset,
    rows: Indices,
    scores: Scores,
    without: Scores,
    threshold: float,
) -> MemoryGain:
    """Compare a model with history with one without.

    Args:
        past: what the whole data set says about the past.
        tested: the claims that both were tested on.
        rows: of the data set, shape (n_claims,): these claims.
        scores: by the model with history, shape (n_claims,).
        without: by the other one.
        threshold: of the other one.
    """
    y, groups = tested.labels, tested.groups
    of_row = {row: place for place, row in enumerate(past.rows.tolist())}
    places = [of_row[row] for row in rows.tolist() if row in of_row]
    kinds = tuple(_reach(past, places, len(rows)))
    last = max((claim.fact.known_at for claim in past.claims), default=0)
    frauds = len({o.claim for o in past.outcomes if o.fraud and o.known_at < last})
    gained = gains(y, scores, without, groups=groups)
    days = days_before(past, places)
    return MemoryGain(
        plan=past.plan,
        without=evaluate(y, without, threshold),
        intervals=intervals(y, without, groups=groups),
        gains=gained,
        kinds=kinds,
        days=days,
        frauds=frauds,
        doubts=tuple(_doubts(days, frauds, kinds, gained.get("average_precision"))),
        notes=tuple(notes(past)),
    )


def days_before(past: DatasetPast, places: Sequence[int]) -> float:
    """Days of history before some claims: half of them have less.

    Args:
        past: contains the claims.
        places: of the claims in it.
    """
    first = min((claim.fact.known_at for claim in past.claims), default=0)
    ages = [(past.claims[place].fact.known_at - first) / DAY for place in places]
    return float(np.median(ages)) if ages else 0.0


def too_short(days: float, which: str = "claims tested on") -> str | None:
    """A doubt if there are too few days of history before some claims; see `days_before`."""
    if days >= SHORT:
        return None
    return (
        f"history is too short: half of the {which} have less than {days:.0f} days of "
        f"it before them, and the features look at {SHORT} and more"
    )


def history_taken(past: DatasetPast) -> str:
    """What is known, in words: how many claims, from when, and what was found about them."""
    moments = sorted(claim.fact.known_at for claim in past.claims)
    first, last = (dt.date.fromordinal(_EPOCH + at // DAY) for at in (moments[0], moments[-1]))
    frauds = len({outcome.claim for outcome in past.outcomes if outcome.fraud})
    known = len({outcome.claim for outcome in past.outcomes})
    return (
        f"{len(moments):,} claims reported from {first} to {last}, {known:,} of them decided, "
        f"{frauds:,} as fraud; each claim sees what was known on the days before its report"
    )


def _reach(past: DatasetPast, places: Sequence[int], claims: int) -> Iterator[KindReach]:
    histories = [past.histories[place] for place in places]
    values = matrix_of(histories) if histories else np.empty((0, 0))
    for number, kind in enumerate(past.plan.kinds):
        start = number * len(SUFFIXES)
        flag = f"common_entity:{kind.kind}"

        def share(suffix: str, least: float, start: int = start) -> float:
            column = _column(values, start + SUFFIXES.index(suffix))
            return float((column >= least).sum()) / claims if claims else 0.0

        yield KindReach(
            kind=kind.kind,
            named=share("claims_30d", 0),
            seen=share("days_since", 0),
            decided=share("decided", 1),
            frauds=share("frauds", 1),
            common=sum(flag in one.flags for one in histories) / claims if claims else 0.0,
        )


def _column(values: Matrix, number: int) -> Matrix:
    return values[:, number] if values.size else np.empty(0)


def _doubts(
    days: float, frauds: int, kinds: Sequence[KindReach], gained: Interval | None
) -> Iterator[str]:
    short = too_short(days)
    if short is not None:
        yield short
    if frauds < FEW_FRAUDS:
        yield (
            f"too few outcomes: {frauds} frauds became known while claims still came in; "
            f"{FEW_FRAUDS} are the fewest to learn from"
        )
    reached = max((kind.decided for kind in kinds), default=0.0)
    if reached < RARE:
        yield (
            f"outcomes reach too few claims: of no kind do more than {reached:.1%} of the claims "
            "tested on name one that was in a decided claim before"
        )
    if gained is None or gained.low <= 0:
        between = "" if gained is None else f": {gained.low:+.3f} to {gained.high:+.3f} (95 %)"
        yield f"what history adds to the average precision may be chance{between}"


def notes(past: DatasetPast) -> Iterator[str]:
    """What to know about the outcomes and the days in a history."""
    plan = past.plan
    if plan.outcomes == "assumed":
        yield (
            f"the data does not say when outcomes became known: each counts {plan.outcome_days} "
            "days after its claim was reported"
        )
    elif past.undecided:
        yield (
            f"{past.undecided:,} of {past.labels:,} labels have no day on which they were "
            "decided, as of claims that nobody investigated: they count for no other claim"
        )
    if past.undated:
        yield (
            f"{past.undated:,} claims without a day of report: they have no history and are part "
            "of none"
        )
