"""Motor events for the contract `motor`: with people and garages, rings, and late outcomes.

Half of the frauds are made by rings (`model.samples.rings`), and most of those look like any other
claim; the other half are made by single people, and most of them show. Investigations find most
frauds, months later; hardly any honest claim is investigated, and the others are closed.
"""

import datetime as dt
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Flags, Indices, Numbers
from model.samples.draws import (
    LAST_DAY,
    DrawnEvent,
    Texts,
    objects,
    pick,
    where,
    written,
)
from model.samples.rings import Links, people

ALONE: Final = 0.03
"""Share of false claims among those that no ring makes."""
FALSE_IN_RINGS: Final = 0.9
SHOWS_ALONE: Final = 0.85
"""Share of the single frauds that show it by what is claimed."""
SHOWS_IN_RINGS: Final = 0.2
LOOKS_ALIKE: Final = 0.03
"""Share of the honest claims that look like it."""
FOUND: Final = 0.85
"""Share of the frauds that an investigation finds."""
BLAMED: Final = 0.003
"""Share of the honest claims that one takes for fraud."""
CLEARED: Final = 0.05
"""Share of the honest claims that are investigated and cleared."""
FOUND_DAYS: Final = 60.0
"""Median time from the report to a finding."""
CLOSED_DAYS: Final = 30
"""After the report, a claim that nobody investigated is closed."""
DAMAGES: Final = {
    "slight": (5, 900),
    "medium": (6, 2_800),
    "heavy": (3, 7_500),
    "total": (1, 14_000),
}
"""Share of the losses, and what they cost."""


def generate(n: int, seed: int, links: Links = "rings") -> list[DrawnEvent]:
    """Generate n events in the order of their losses; the same for the same arguments.

    Args:
        n: how many.
        seed: of all draws.
        links: *random* for the same claims and frauds, whose telephones, accounts, garages and
            policies are those of anybody: nothing can be learnt from what they did before.
    """
    rng = np.random.default_rng(seed)
    who = people(np.random.default_rng([seed, 1]), n, links)
    ringed = who.ring >= 0
    false = rng.random(n) < np.where(ringed, FALSE_IN_RINGS, ALONE)
    shows = rng.random(n) < np.where(
        false, np.where(ringed, SHOWS_IN_RINGS, SHOWS_ALONE), LOOKS_ALIKE
    )
    facts = _facts(rng, n, shows)
    reported = who.day + facts.lag
    ended = _outcomes(rng, false, reported)
    return objects(
        {
            "claim_no": [f"M-{i:08}" for i in range(n)],
            "policy_no": who.policy.tolist(),
            "lost_on": written(who.day, dt.date.isoformat),
            "reported_on": written(reported, dt.date.isoformat),
            "cover_from": written(who.day - facts.covered, dt.date.isoformat),
            "cause": facts.cause.tolist(),
            "damage": facts.damage.tolist(),
            "claimed": facts.claimed.tolist(),
            "injured": facts.injured.tolist(),
            "witnesses": facts.witnesses.tolist(),
            "police": facts.police.tolist(),
            "vehicle_years": facts.vehicle_years.tolist(),
            "phone": who.phone.tolist(),
            "account": who.account.tolist(),
            "garage": who.garage.tolist(),
            "outcome": ended,
        }
    )


class _Facts(NamedTuple):
    """What is claimed; each part has shape (n,)."""

    lag: Indices
    covered: Indices
    cause: Texts
    damage: Texts
    claimed: Numbers
    injured: Indices
    witnesses: Indices
    police: Flags
    vehicle_years: Indices


def _facts(rng: np.random.Generator, n: int, shows: Flags) -> _Facts:
    """Of each claim that shows, one of three patterns: new cover, late report, a high amount."""
    pattern = np.where(shows, rng.integers(0, 3, n), -1)
    new, late, dear = (pattern == k for k in range(3))
    cause = pick(rng, n, {"collision": 7, "parked": 2, "theft": 1, "glass": 1.5})
    cause = np.where(late, pick(rng, n, {"parked": 1, "theft": 1}), cause)
    damage = pick(rng, n, {name: share for name, (share, _) in DAMAGES.items()})
    damage = np.where(dear, pick(rng, n, {"slight": 1, "medium": 1}), damage)
    cost = np.array([DAMAGES[name][1] for name in damage.tolist()], dtype=np.float64)
    injured = rng.poisson(np.where(dear, 1.2, 0.25))
    return _Facts(
        lag=rng.geometric(0.35, n) - 1 + late * rng.integers(8, 60, n),
        covered=np.where(new, rng.integers(0, 60, n), rng.exponential(1_100, n).astype(np.int64)),
        cause=cause,
        damage=damage,
        claimed=np.round(cost * (1 + 1.5 * dear) * rng.lognormal(0, 0.45, n) + 900 * injured, 2),
        injured=injured,
        witnesses=rng.poisson(0.7, n),
        police=rng.random(n) < np.where(late, 0.1, 0.5),
        vehicle_years=rng.integers(0, 16, n),
    )


def _outcomes(rng: np.random.Generator, false: Flags, reported: Indices) -> list[DrawnEvent]:
    """What was found by the last day and when; nothing while it is open."""
    n = len(false)
    found = rng.random(n) < np.where(false, FOUND, BLAMED)
    cleared = ~found & (rng.random(n) < CLEARED)
    days = np.where(found, FOUND_DAYS, FOUND_DAYS / 2) * rng.lognormal(0, 0.6, n)
    decided = reported + 1 + days.astype(np.int64)
    looked_at = found | cleared
    known = np.where(looked_at, decided, reported + CLOSED_DAYS) <= LAST_DAY
    words = np.where(found, "fraud", np.where(cleared, "cleared", "not investigated"))
    return objects(
        {
            "finding": where(known, words.tolist()),
            "decided": where(known & looked_at, written(decided, dt.date.isoformat)),
        }
    )
