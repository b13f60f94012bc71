"""Property events for the contract `property`: losses to dwellings, estimated by contractors.

Of 220 contractors eight inflate their estimates, many of them together with the insured. Besides,
some limits are raised, and some dwellings are insured, shortly before a loss.
"""

import datetime as dt
from typing import Any, Final

import numpy as np

from model.arrays import Flags, Indices, Numbers
from model.samples.draws import (
    DrawnEvent,
    amounts,
    busy,
    days_of_events,
    objects,
    pick,
    review,
    some_of,
    where,
    written,
    yes_no,
)

CONTRACTORS: Final = 220
DISHONEST: Final = 8
HABIT: Final = 0.4
"""Share of false claims among those that a dishonest contractor estimates."""
ELSEWHERE: Final = 0.022
"""Share of false claims among all others."""
PERILS: Final = {
    "Escape of water": (38, 6_500),
    "Storm": (20, 4_200),
    "Theft": (14, 5_500),
    "Accidental damage": (16, 1_400),
    "Fire": (5, 38_000),
    "Flood": (4, 24_000),
    "Subsidence": (3, 17_000),
}
"""Share of the losses, and what they cost."""
CONTENTS: Final = {"Theft": 0.9, "Accidental damage": 0.6}


def generate(n: int, seed: int) -> list[DrawnEvent]:
    """Generate n events in the order of their losses; the same for the same arguments.

    A finding is there only if the investigation was closed by the day the file is written.
    """
    rng = np.random.default_rng(seed)
    contractor = busy(rng, n, CONTRACTORS)
    dishonest = some_of(rng, CONTRACTORS, DISHONEST)
    false = rng.random(n) < np.where(dishonest[contractor], HABIT, ELSEWHERE)
    lost = days_of_events(rng, n)
    late = false & (rng.random(n) < 0.4)
    notified = lost + rng.geometric(0.35, n) - 1 + late * rng.integers(5, 60, n)
    peril = pick(rng, n, {name: share for name, (share, _) in PERILS.items()})
    limit = np.round(rng.lognormal(12.7, 0.35, n), -4)
    estimate = _estimates(rng, peril, limit, false)
    found = review(rng, false, notified)
    return objects(
        {
            "ClaimRef": [f"PR-{i:08}" for i in range(n)],
            "Policy": _policies(rng, lost, limit, false),
            "Loss": objects(
                {
                    "When": _moments(rng, lost),
                    "Peril": peril.tolist(),
                    "Room": pick(
                        rng, n, {"Kitchen": 3, "Bathroom": 3, "Roof": 2, "Living room": 2}
                    ).tolist(),
                    "DeclaredEvent": yes_no(
                        np.isin(peril, ["Storm", "Flood"]) & (rng.random(n) < 0.5), "Y", "N"
                    ),
                    "AuthoritiesAttended": yes_no(_attended(rng, peril, false), "Y", "N"),
                }
            ),
            "Notice": objects({"When": _moments(rng, notified)}),
            "Estimate": objects(
                {
                    "Total": amounts(estimate, _pounds),
                    "Contents": amounts(_contents(rng, peril, estimate, false), _pounds),
                    "Contractor": [f"C-{i:04}" for i in contractor.tolist()],
                    "Photographs": rng.poisson(np.where(false, 2, 5)).tolist(),
                }
            ),
            "Dwelling": _dwellings(rng, n),
            "Insured": objects(
                {
                    "Name": [f"Policyholder {i}" for i in range(n)],
                    "Phone": [f"020 7946 {i % 1_000:04}" for i in range(n)],
                    "AgeBand": pick(
                        rng,
                        n,
                        {"Under 30": 1, "30 to 49": 4, "50 to 69": 4, "70 or over": 2, "N/K": 1},
                    ).tolist(),
                }
            ),
            "Investigation": objects(
                {
                    "Finding": _findings(rng, found.fraud, found.known),
                    "Closed": where(found.known, written(found.closed, _day)),
                }
            ),
        }
    )


def _policies(
    rng: np.random.Generator, lost: Indices, limit: Numbers, false: Flags
) -> list[DrawnEvent]:
    n = len(lost)
    new = false & (rng.random(n) < 0.35)
    covered = np.where(new, rng.integers(3, 45, n), rng.exponential(1_700, n).astype(np.int64) + 20)
    raised = false & (rng.random(n) < 0.3)
    ago = np.where(raised, rng.integers(2, 60, n), rng.integers(60, 900, n))
    has_raised = raised | (rng.random(n) < 0.2)
    return objects(
        {
            "Ref": [f"HH-{i * 7_919 % 10_000_000:07}" for i in range(n)],
            "Inception": written(lost - covered, _day),
            "DwellingLimit": amounts(limit, _pounds),
            "Excess": amounts(rng.choice([100.0, 250.0, 500.0, 1_000.0], n), _pounds),
            "LimitRaised": where(has_raised, written(lost - ago, _day)),
            "PastClaims": pick(
                rng, n, {"None": 6, "One": 2.5, "2 to 3": 1, "4 or more": 0.3, "Not known": 0.2}
            ).tolist(),
        }
    )


def _dwellings(rng: np.random.Generator, n: int) -> list[DrawnEvent]:
    return objects(
        {
            "Built": (1890 + 130 * rng.beta(2, 1.5, n)).astype(int).tolist(),
            "Kind": pick(
                rng,
                n,
                {"Terraced house": 3, "Semi-detached house": 3, "Detached house": 2, "Flat": 3},
            ).tolist(),
            "Occupancy": pick(rng, n, {"Owner": 7, "Tenant": 2.5, "Unoccupied": 0.5}).tolist(),
            "Postcode": [f"ZZ{i // 10} {i % 10}ZZ" for i in rng.integers(10, 900, n).tolist()],
        }
    )


def _estimates(rng: np.random.Generator, peril: Any, limit: Numbers, false: Flags) -> Numbers:
    cost = np.array([PERILS[name][1] for name in peril.tolist()], dtype=np.float64)
    raised = 1 + 0.9 * (false & (rng.random(len(false)) < 0.7))
    drawn = np.round(cost * raised * rng.lognormal(0, 0.6, len(false)), 2)
    found: Numbers = np.minimum(drawn, limit)
    return found


def _contents(rng: np.random.Generator, peril: Any, estimate: Numbers, false: Flags) -> Numbers:
    usual = np.array([CONTENTS.get(name, 0.25) for name in peril.tolist()])
    share = (usual + 0.25 * false + rng.normal(0, 0.12, len(usual))).clip(0, 1)
    found: Numbers = np.round(estimate * share, 2)
    return found


def _attended(rng: np.random.Generator, peril: Any, false: Flags) -> Flags:
    likely = np.where(np.isin(peril, ["Theft", "Fire"]), 0.85, 0.04)
    found: Flags = rng.random(len(false)) < likely * np.where(false, 0.5, 1)
    return found


def _findings(rng: np.random.Generator, fraud: Flags, known: Flags) -> list[str | None]:
    word = np.where(
        fraud, np.where(rng.random(len(fraud)) < 0.4, "Proven", "Repudiated"), "Genuine"
    )
    return where(known, word.tolist())


def _moments(rng: np.random.Generator, days: Indices) -> list[str]:
    minute = rng.integers(0, 24 * 60, len(days)).tolist()
    return [
        f"{day} {m // 60:02}:{m % 60:02}"
        for day, m in zip(written(days, _day), minute, strict=True)
    ]


_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def _day(day: dt.date) -> str:
    return f"{day.day:02} {_MONTHS[day.month - 1]} {day.year}"


def _pounds(amount: float) -> str:
    return f"£{amount:,.2f}"
