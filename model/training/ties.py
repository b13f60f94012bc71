"""Claims that tie in the served model, among the scores that a threshold is chosen on."""

from typing import Final, NamedTuple, Self

import numpy as np

from model.arrays import Flags, Indices, Scores
from model.thresholds import (
    HIGH_SHARE,
    MEDIUM_SHARE,
    REVIEW_SHARE,
    TIED,
    PerDay,
    Policy,
    Top,
    budget_share,
    levels,
)

MATTERS: Final = 0.1
"""Share of the claims a level may take: a group of ties that adds fewer, or leaves out fewer, does
not matter."""
DEVIATIONS: Final = 2
"""Standard deviations of their number: nor does one that changes it by no more than chance does."""


def as_served(
    policy: Policy, out_of_fold: Scores, served: Scores, unseen: Scores, claims_per_day: float
) -> Scores:
    """The out-of-fold scores, but those of the served model where claims tie in it.

    Levels are chosen on out-of-fold scores, because a model is too confident about the claims that
    it was fitted on. But where claims have few distinct scores, each fold's model gives the same
    group of claims a slightly different score, and a level can fall between these: it takes the
    part of the group that was in some of the folds. In service the group has one score, and a level
    takes all of it or nothing: a budget is exceeded several times over, or refers nobody.

    So a group is decided as a whole if that changes the number of claims that a level takes by more
    than a tenth (`MATTERS`) and by more than chance does (`DEVIATIONS`): all of its claims get the
    score of the served model, which is what a new claim of the same kind scores, and the levels are
    chosen again. They get it lowered by `TIED`, so that a level that takes the group is below what
    is served, and one that does not is above it, however a processor rounds.

    All other scores stay as they are, to the last bit: where claims have many distinct scores, no
    group is large enough to matter, and the levels are those of the out-of-fold scores. A group
    whose claims tie only because the model was fitted on them is left alone: claims that it was not
    fitted on must tie with them at least half as often, but for chance. No label is looked at.

    Args:
        policy: how the threshold is chosen.
        out_of_fold: of the training claims, by models fitted without them, shape (n_claims,).
        served: of the same claims, by the model that is saved.
        unseen: of the test claims, by the model that is saved, shape (n_tested,).
        claims_per_day: of the training period, for a daily budget.

    Returns:
        Scores to choose levels on, and to rank against, shape (n_claims,).

    Raises:
        ValueError: as `model.thresholds.levels`.
    """
    found = out_of_fold.copy()
    groups = _Groups.of(served)
    undecided = groups.real(unseen)
    while True:
        torn = undecided & _torn(policy, found, claims_per_day, groups)
        if not torn.any():
            return found
        undecided &= ~torn
        rows = torn[groups.of_claim]
        found[rows] = groups.scores[groups.of_claim[rows]]


class _Groups(NamedTuple):
    """Claims that tie in the served model; a claim whose score no other has is a group as well."""

    of_claim: Indices
    """The group of each claim, shape (n_claims,)."""
    sizes: Indices
    """How many claims a group has, shape (n_groups,)."""
    lowest: Scores
    """What its claims score, shape (n_groups,), ascending."""
    highest: Scores
    """The same, but for the last bits."""

    @classmethod
    def of(cls, served: Scores) -> Self:
        """The groups of scores, shape (n_claims,)."""
        order = np.argsort(served, kind="stable")
        ordered = served[order]
        apart = np.diff(ordered) > TIED
        of_claim = np.empty(len(served), dtype=np.int64)
        of_claim[order] = np.concatenate([[0], np.cumsum(apart)])
        first, last = np.append(True, apart), np.append(apart, True)
        return cls(of_claim, np.bincount(of_claim), ordered[first], ordered[last])

    @property
    def scores(self) -> Scores:
        """What the claims of each group are to score, shape (n_groups,); see `as_served`."""
        lowered = np.maximum(self.lowest - TIED, 0)
        # Of 1, nothing is above: who takes a claim that scores 1 takes all of them.
        found: Scores = np.where(self.lowest > 1 - TIED, 1.0, lowered)
        return found

    def real(self, unseen: Scores) -> Flags:
        """Whether claims that the model was not fitted on tie in the group too, shape (n_groups,).

        Args:
            unseen: their scores, shape (n_tested,).
        """
        nearest = np.maximum(np.searchsorted(self.lowest, unseen + TIED, side="right") - 1, 0)
        ties = (unseen >= self.lowest[nearest] - TIED) & (unseen <= self.highest[nearest] + TIED)
        count = np.bincount(nearest[ties], minlength=len(self.sizes))
        expected = self.sizes * (len(unseen) / self.sizes.sum())
        found: Flags = count >= expected / 2 - np.sqrt(expected)
        return found


def _torn(policy: Policy, found: Scores, claims_per_day: float, groups: _Groups) -> Flags:
    """Groups of which a level takes too many claims, or too few, shape (n_groups,)."""
    at = levels(policy, found, claims_per_day)
    reviewed = min(1.0, float((found >= at.threshold).mean()) + REVIEW_SHARE)
    budget = isinstance(policy, Top | PerDay) and budget_share(policy, claims_per_day)
    shares = (
        (at.threshold, budget or reviewed),
        (at.review, reviewed),
        (at.medium, MEDIUM_SHARE),
        (at.high, HIGH_SHARE),
    )
    torn = np.zeros(len(groups.sizes), dtype=np.bool_)
    for level, share in shares:
        taken = np.bincount(groups.of_claim, found >= level, len(groups.sizes))
        in_service = np.where(groups.scores >= level, groups.sizes, 0)
        allowed = share * len(found)
        torn |= np.abs(in_service - taken) > max(MATTERS * allowed, DEVIATIONS * np.sqrt(allowed))
    return torn
