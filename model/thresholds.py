"""From a fraud probability to a referral: policies that choose the threshold, bands, decisions.

A policy is applied once, when a model is trained, to out-of-fold scores of the training claims;
where claims tie, to those of the served model: see `model.training.ties`.
What is stored and served is its result, `Levels`: four probabilities. Nothing here denies a claim:
a decision says who looks at it.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from model.arrays import Scores
from schemas.alert import Band, Decision, Probability

Share = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]

REVIEW_SHARE: Final = 0.05
"""Share of claims, the highest-scoring ones below the threshold, that an adjuster reviews."""
MEDIUM_SHARE: Final = 0.20
HIGH_SHARE: Final = 0.05
"""Shares of the highest-scoring claims whose band is medium or above, and high."""
TIED: Final = 1e-9
"""Scores that differ by no more tie: processors round differently in the last bits."""
_ABOVE: Final = 10 * TIED
"""How far a level is above a score that is not to reach it."""


class Fixed(Struct, frozen=True, tag="fixed"):
    """A probability set by hand."""

    threshold: Probability = 0.5

    def __str__(self) -> str:
        return "fixed"


class Top(Struct, frozen=True, tag="top"):
    """An alert budget: this share of the claims, the highest-scoring ones."""

    share: Share

    def __str__(self) -> str:
        return f"top {self.share:.6g} of claims"


class PerDay(Struct, frozen=True, tag="per_day"):
    """An alert budget: this many claims per calendar day on average, the highest-scoring ones."""

    alerts: Positive

    def __str__(self) -> str:
        return f"{self.alerts:.6g} a day"


class Cost(Struct, frozen=True, tag="cost"):
    """The cost of an investigation against the cost of a missed fraud, in the same currency.

    Referring costs `investigation` whatever the result; passing costs `missed_fraud` times the
    probability of fraud. They are equal at the probability `investigation / missed_fraud`: the
    cost-minimal threshold for calibrated probabilities (Elkan, "The foundations of cost-sensitive
    learning", IJCAI 2001, equation 2, with the same cost for every referral).
    """

    missed_fraud: Positive
    investigation: Positive

    def __str__(self) -> str:
        return f"cost {self.investigation:.6g} against {self.missed_fraud:.6g}"


Policy = Fixed | Top | PerDay | Cost


class Levels(Struct, frozen=True, kw_only=True):
    """Probabilities at and above which a different action is taken."""

    threshold: Probability
    """Referral to the special investigations unit."""
    review: Probability
    """Review by the adjuster; never above `threshold`."""
    medium: Probability
    """Band medium."""
    high: Probability
    """Band high; never below `medium`."""

    def __post_init__(self) -> None:
        if self.review > self.threshold or self.medium > self.high:
            raise ValueError("review must not be above threshold, nor medium above high")


class Decisions(NamedTuple):
    """The decisions for a batch: each list as long as the batch."""

    band: list[Band]
    decision: list[Decision]
    percentile: list[float]
    """Percentage of reference claims scored at or below this one, 0 to 100, rounded down to one
    decimal."""


def levels(policy: Policy, reference: Scores, claims_per_day: float) -> Levels:
    """The policy's levels.

    Args:
        policy: how the threshold is chosen.
        reference: out-of-fold scores of the training claims, shape (n_claims,).
        claims_per_day: of the training period, for a daily budget.

    Raises:
        ValueError: no reference scores, or a cost policy that can never pay off.
    """
    if len(reference) == 0:
        raise ValueError("no reference scores to choose a threshold from")
    threshold = _threshold(policy, reference, claims_per_day)
    referred = float((reference >= threshold).mean())
    medium = top_share(reference, MEDIUM_SHARE)
    return Levels(
        threshold=threshold,
        review=min(threshold, top_share(reference, min(1.0, referred + REVIEW_SHARE))),
        medium=medium,
        high=max(medium, top_share(reference, HIGH_SHARE)),
    )


def budget_share(policy: Top | PerDay, claims_per_day: float) -> float:
    """The highest share of claims to refer."""
    return policy.share if isinstance(policy, Top) else min(1.0, policy.alerts / claims_per_day)


def _threshold(policy: Policy, reference: Scores, claims_per_day: float) -> float:
    match policy:
        case Fixed(threshold):
            return threshold
        case Top() | PerDay():
            return top_share(reference, budget_share(policy, claims_per_day))
        case Cost(missed_fraud, investigation):
            if investigation >= missed_fraud:
                raise ValueError(
                    f"an investigation for {investigation:g} never pays off against a missed "
                    f"fraud of {missed_fraud:g}"
                )
            return investigation / missed_fraud


def top_share(reference: Scores, share: float) -> float:
    """The lowest score such that at most `share` of the reference is at or above it.

    A budget is never exceeded: if ties at the cut would exceed it, all of them stay below. If even
    the highest score is too common, the result is a little above it, however a processor rounds;
    above 1 there is none, see `model.training.budgets.over_budget`.
    """
    ordered = np.sort(reference)[::-1]
    budget = math.floor(share * len(ordered) + 1e-9)
    if budget >= len(ordered):
        return float(ordered[-1])
    # Scores equal to the first one over the budget are over it as well.
    kept = ordered[ordered > ordered[budget]]
    lowest = float(kept[-1]) if len(kept) else float(ordered[0]) + _ABOVE
    return min(lowest, 1.0)


def decide(p: Scores, at: Levels, reference: Sequence[float] | Scores) -> Decisions:
    """Bands, decisions and percentiles of a batch.

    Args:
        p: fraud probabilities, shape (n_claims,).
        at: the levels.
        reference: sorted reference scores to rank against; not empty.
    """
    band = np.searchsorted([at.medium, at.high], p, side="right")
    decision = np.searchsorted([at.review, at.threshold], p, side="right")
    below = np.searchsorted(reference, p, side="right")
    return Decisions(
        band=[_BANDS[i] for i in band.tolist()],
        decision=[_DECISIONS[i] for i in decision.tolist()],
        percentile=(1_000 * below // len(reference) / 10).tolist(),
    )


_BANDS: Final = (Band.LOW, Band.MEDIUM, Band.HIGH)
_DECISIONS: Final = (Decision.PASS, Decision.REVIEW, Decision.REFER)
