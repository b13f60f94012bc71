"""Whether a threshold keeps the budget that it was chosen by, and uses it."""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from model.arrays import Scores
from model.thresholds import PerDay, Policy, Top, budget_share

DEVIATIONS: Final = 3
"""Standard deviations of a number of referrals that chance explains."""


class Chosen(NamedTuple):
    """A threshold, and what it was chosen by."""

    threshold: float
    policy: Policy
    reference: Scores
    """Of the training claims, as `model.training.ties.as_served` has them, shape (n_claims,)."""
    claims_per_day: float
    """Of the training period."""


def warnings(chosen: Chosen, tested: Scores) -> Iterator[str]:
    """What should be known before the threshold is relied on; a sentence each.

    Args:
        chosen: the threshold.
        tested: scores of the test claims, shape (n_tested,).
    """
    threshold, policy, reference, claims_per_day = chosen
    if not isinstance(policy, Top | PerDay):
        return
    over = over_budget(chosen)
    if over is not None:
        yield over
        return
    if (reference >= threshold).any():  # otherwise it is a doubt
        unused = unused_budget(chosen)
        yield from () if unused is None else (unused,)
    share = budget_share(policy, claims_per_day)
    allowed, referred = share * len(tested), int((tested >= threshold).sum())
    # Those that are tested are a sample, and so are those that the threshold was chosen on.
    chance = DEVIATIONS * math.sqrt(allowed * (1 + len(tested) / len(reference)))
    if referred > allowed + chance:
        yield (
            f"the threshold refers {referred / len(tested):.1%} of the test claims, which is more "
            f"than the budget ({policy}) and chance allow: they score higher than those before"
        )


def over_budget(chosen: Chosen) -> str | None:
    """A warning if the policy's budget refers every claim, or cannot be kept; None otherwise."""
    threshold, policy, reference, claims_per_day = chosen
    if isinstance(policy, PerDay) and policy.alerts >= claims_per_day:
        return (
            f"the budget ({policy}) is not less than the {claims_per_day:.3g} claims a day of the "
            "training data: every claim is referred"
        )
    if threshold < 1 or not isinstance(policy, Top | PerDay):
        return None
    referred = float((reference >= threshold).mean())
    if referred <= budget_share(policy, claims_per_day):
        return None
    return (
        f"{referred:.1%} of the training claims score 1, the highest possible score, so the "
        f"budget ({policy}) cannot be kept: all of them are referred"
    )


def unused_budget(chosen: Chosen) -> str | None:
    """A warning if ties leave more than half of the policy's budget unused; None otherwise."""
    threshold, policy, reference, claims_per_day = chosen
    rest = reference[reference < threshold]
    if not isinstance(policy, Top | PerDay) or not len(rest):
        return None
    referred = 1 - len(rest) / len(reference)
    if referred > budget_share(policy, claims_per_day) / 2:
        return None
    highest = float(rest.max())
    tied = float((rest == highest).sum()) / len(reference)
    wider = _wider(policy, referred + tied, claims_per_day)
    if not referred:
        return (
            f"the budget ({policy}) refers nobody: {tied:.1%} of the training claims have the "
            f"highest score, {highest:.4f}, and would exceed it{wider}"
        )
    return (
        f"the budget ({policy}) refers only {referred:.1%} of the training claims: another "
        f"{tied:.1%} have the next score, {highest:.4f}, and would exceed it{wider}"
    )


def _wider(policy: Top | PerDay, share: float, claims_per_day: float) -> str:
    """The option that would refer this share of the claims, if there is one."""
    if share >= 1:
        return ""
    if isinstance(policy, Top):
        return f"; --alert-share {_rounded_up(share, 4):g} refers them"
    return f"; --alerts-per-day {_rounded_up(share * claims_per_day, 2):g} refers them"


def _rounded_up(number: float, digits: int) -> float:
    # The sum of two shares may be a bit above what it is.
    unit = 10.0**digits
    return math.ceil(round(number * unit, 6)) / unit
