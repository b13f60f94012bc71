"""Health events for the contract `health`: bills of providers, some of whom bill what was not done.

Of 240 providers nine bill too much as a habit: more units, dearer procedures, services on days when
the practice is closed. Besides, some members insure themselves shortly before a dear treatment.
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

PROVIDERS: Final = 240
DISHONEST: Final = 9
HABIT: Final = 0.45
"""Share of false bills among those of a dishonest provider."""
ELSEWHERE: Final = 0.012
"""Share of false bills among all others."""
SPECIALTIES: Final = {
    "general practice": (22, 55),
    "orthopaedics": (10, 140),
    "dentistry": (14, 210),
    "physiotherapy": (16, 45),
    "radiology": (8, 260),
    "cardiology": (7, 230),
    "hospital": (9, 2_900),
}
"""Share of the providers, and price of a unit."""
DIAGNOSES: Final = ("M54.5", "I10", "K02.1", "J06.9", "E11.9", "S83.2", "F32.1", "R10.4", "H25.1")
MONTHS: Final = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni"),
    *("Juli", "August", "September", "Oktober", "November", "Dezember"),
)


def generate(n: int, seed: int) -> list[DrawnEvent]:
    """Generate n events in the order of their services; the same for the same arguments.

    A review's result is there only if it was closed by the day the file is written.
    """
    rng = np.random.default_rng(seed)
    provider = busy(rng, n, PROVIDERS)
    practice = _practices(rng)
    false = rng.random(n) < np.where(practice["dishonest"][provider], HABIT, ELSEWHERE)
    served = days_of_events(rng, n)
    closed_day = (served + 6) % 7 >= 5
    moved = closed_day & ~false & (rng.random(n) < 0.9)
    served = served - moved * 2
    submitted = served + rng.geometric(0.06, n)
    specialty = practice["specialty"][provider]
    units = 1 + rng.poisson(1.2 + 2.2 * (false & (rng.random(n) < 0.7)), n)
    inpatient = specialty == "hospital"
    nights = np.where(inpatient, rng.geometric(0.22, n), 0)
    billed = _billed(rng, specialty, units, false)
    found = review(rng, false, submitted)
    member = _members(rng, n, served, false)
    parts = {
        "claim": objects(
            {
                "number": [f"H-{i:08}" for i in range(n)],
                "submitted": written(submitted, _german),
                "billed": amounts(billed, _euro),
            }
        ),
        "member": member,
        "provider": objects(
            {
                "id": [f"P-{i:04}" for i in provider.tolist()],
                "specialty": specialty.tolist(),
                "region": practice["region"][provider].tolist(),
                "network": yes_no(practice["network"][provider], "ja", "nein"),
            }
        ),
        "service": objects(
            {
                "date": _either(rng, served),
                "diagnosis": rng.choice(DIAGNOSES, n).tolist(),
                "procedure": _procedures(rng, specialty, false),
                "units": units.tolist(),
                "inpatient": yes_no(inpatient, "ja", "nein"),
                "nights": [_nights(k) for k in nights.tolist()],
            }
        ),
        "review": objects(
            {
                "result": where(found.known, yes_no(found.fraud, "fraud", "cleared")),
                "closed": where(found.known, written(found.closed, _german)),
            }
        ),
    }
    return objects(parts)


def _practices(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "dishonest": some_of(rng, PROVIDERS, DISHONEST),
        "specialty": pick(rng, PROVIDERS, {name: s for name, (s, _) in SPECIALTIES.items()}),
        "region": pick(rng, PROVIDERS, {"BY": 3, "NW": 4, "BE": 2, "SN": 1, "HH": 1}),
        "network": rng.random(PROVIDERS) < 0.8,
    }


def _members(rng: np.random.Generator, n: int, served: Indices, false: Flags) -> list[DrawnEvent]:
    short = false & (rng.random(n) < 0.25)
    tenure = np.where(
        short, rng.integers(5, 80, n), rng.exponential(1_900, n).astype(np.int64) + 30
    )
    age = rng.normal(46, 19, n).clip(1, 95)
    before = rng.poisson(3 + 3 * false, n)
    return objects(
        {
            "id": [f"M-{i:07}" for i in rng.integers(0, n, n).tolist()],
            "name": [f"Mitglied {i}" for i in range(n)],
            "since": written(served - tenure, _german),
            "birth": written(served - (age * 365.25).astype(np.int64), _german),
            "sex": pick(rng, n, {"w": 52, "m": 47, "d": 1}).tolist(),
            "plan": pick(rng, n, {"Basis": 5, "Komfort": 4, "Premium": 1}).tolist(),
            "claims_12_months": before.tolist(),
            "paid_12_months": [
                "k. A." if hidden else _euro(paid)
                for paid, hidden in zip(
                    (before * rng.lognormal(4.6, 0.6, n)).tolist(),
                    (rng.random(n) < 0.08).tolist(),
                    strict=True,
                )
            ],
        }
    )


def _billed(rng: np.random.Generator, specialty: Any, units: Indices, false: Flags) -> Numbers:
    price = np.array([SPECIALTIES[name][1] for name in specialty.tolist()], dtype=np.float64)
    raised = 1 + 0.5 * (false & (rng.random(len(units)) < 0.6))
    return np.round(price * units * raised * rng.lognormal(0, 0.35, len(units)), 2)


def _procedures(rng: np.random.Generator, specialty: Any, false: Flags) -> list[str]:
    """A few procedures of each specialty; dearer ones, with higher numbers, are often false."""
    number = rng.integers(0, 6, len(false)) + 4 * (false & (rng.random(len(false)) < 0.5))
    first = {name: 10_000 * (place + 1) for place, name in enumerate(SPECIALTIES)}
    return [
        str(first[name] + 11 * k)
        for name, k in zip(specialty.tolist(), number.tolist(), strict=True)
    ]


def _german(day: dt.date) -> str:
    return f"{day:%d.%m.%Y}"


def _either(rng: np.random.Generator, days: Indices) -> list[str]:
    """Days in one form or the other: senders differ."""
    long = rng.random(len(days)) < 0.1
    said = written(days, lambda day: f"{day.day}. {MONTHS[day.month - 1]} {day.year}")
    return [
        a if which else b
        for a, b, which in zip(said, written(days, _german), long.tolist(), strict=True)
    ]


def _euro(amount: float) -> str:
    whole = f"{amount:,.2f}"
    return whole.translate(str.maketrans(",.", ".,")) + " EUR"


def _nights(nights: int) -> str | int:
    if nights == 0:
        return "keine"
    return "1 bis 3" if nights <= 3 else "4 bis 7" if nights <= 7 else nights
