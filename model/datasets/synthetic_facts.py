"""Facts of synthetic claims before any fraud: what an honest book of claims might look like."""

import datetime as dt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.datasets.synthetic_schemes import ClaimColumns

FIRST_DAY: Final = dt.date(2022, 1, 1)
DAYS: Final = 3 * 365
MODELS: Final = {
    "Acura MDX": ("utility", 48_000),
    "BMW 3 Series": ("sedan", 45_000),
    "Chevrolet Malibu": ("sedan", 26_000),
    "Dodge Charger": ("sport", 36_000),
    "Ford Escape": ("utility", 29_000),
    "Ford Focus": ("sedan", 20_000),
    "Honda Accord": ("sedan", 28_000),
    "Honda Civic": ("sedan", 24_000),
    "Mazda MX-5": ("sport", 30_000),
    "Mercedes E-Class": ("sedan", 58_000),
    "Nissan Altima": ("sedan", 26_000),
    "Porsche Boxster": ("sport", 68_000),
    "Saab 9-3": ("sedan", 31_000),
    "Subaru Forester": ("utility", 28_000),
    "Toyota Camry": ("sedan", 27_000),
    "Toyota Highlander": ("utility", 38_000),
}
DAMAGE: Final = {
    "trivial damage": 0.03,
    "minor damage": 0.12,
    "major damage": 0.45,
    "total loss": 0.9,
}
"""Damage as a share of the vehicle's value, by severity."""


def honest_facts(n: int, rng: np.random.Generator) -> ClaimColumns:
    """Facts of ``n`` claims in the order of their losses, each of shape (n,)."""
    facts = {**_loss(n, rng), **_policy(n, rng), **_vehicle(n, rng), **_people(n, rng)}
    facts["damage_share"] = damage_shares(facts["incident_severity"], rng)
    return facts


def _pick(rng: np.random.Generator, n: int, shares: dict[str, float]) -> npt.NDArray[np.object_]:
    total = sum(shares.values())
    drawn = rng.choice(len(shares), n, p=[share / total for share in shares.values()])
    return np.array(list(shares), dtype=object)[drawn]


def _loss(n: int, rng: np.random.Generator) -> ClaimColumns:
    slow = rng.random(n) < 0.12
    return {
        "loss_day": np.sort(rng.integers(0, DAYS, n)) + FIRST_DAY.toordinal(),
        "lag_days": rng.geometric(0.3, n) - 1 + slow * rng.exponential(18, n).astype(np.int64),
        "loss_hour": rng.integers(0, 24, n),
        "loss_area": _pick(rng, n, {"urban": 0.75, "rural": 0.25}),
        "loss_state": _pick(rng, n, {"OH": 4, "IL": 3, "IN": 3, "NY": 2, "VA": 1, "WV": 1}),
        "incident_type": _pick(
            rng,
            n,
            {
                "multi-vehicle collision": 0.45,
                "single vehicle collision": 0.35,
                "vehicle theft": 0.08,
                "parked car": 0.12,
            },
        ),
        "collision_type": _pick(
            rng, n, {"rear collision": 3, "side collision": 3, "front collision": 2}
        ),
        "incident_severity": _pick(rng, n, dict(zip(DAMAGE, (2, 5, 3, 1), strict=True))),
        "fault": _pick(rng, n, {"policyholder": 0.6, "third party": 0.4}),
        "authorities_contacted": _pick(rng, n, {"police": 6, "none": 2, "ambulance": 1, "fire": 1}),
        "police_report_filed": rng.random(n) < 0.6,
        "property_damage": rng.random(n) < 0.3,
        "witnesses": rng.poisson(0.7, n),
        "vehicles_involved": 1 + rng.poisson(0.6, n),
        "bodily_injuries": rng.poisson(0.4, n),
    }


def _policy(n: int, rng: np.random.Generator) -> ClaimColumns:
    age = rng.exponential(1_100, n).astype(np.int64)
    return {
        "policy_age_days": age,
        "customer_months": age // 30 + rng.poisson(20, n),
        "policy_type": _pick(rng, n, {"collision": 4, "liability": 3, "all perils": 3}),
        "policy_state": _pick(rng, n, {"OH": 4, "IL": 3, "IN": 3}),
        "liability_limit": _pick(rng, n, {"100/300": 1, "250/500": 1, "500/1000": 1}),
        "deductible": rng.choice([300, 500, 1_000, 2_000], n, p=[0.1, 0.5, 0.3, 0.1]),
        "annual_premium": np.round(rng.normal(1_250, 240, n).clip(300), 2),
        "umbrella_limit": rng.choice([0, 1_000_000, 5_000_000], n, p=[0.8, 0.12, 0.08]),
        "agent_type": _pick(rng, n, {"internal": 0.4, "external": 0.6}),
        "past_claims": rng.poisson(0.8, n),
        "address_changed": rng.random(n) < 0.12,
        "years_since_address_change": np.round(rng.uniform(0.1, 8, n), 1),
        "driver_rating": rng.integers(1, 5, n),
        "vehicles_insured": 1 + rng.poisson(0.4, n),
        "representative": rng.integers(1, 17, n),
    }


def _vehicle(n: int, rng: np.random.Generator) -> ClaimColumns:
    which = rng.integers(0, len(MODELS), n)
    names, (categories, prices) = [*MODELS], zip(*MODELS.values(), strict=True)
    makes, models = zip(*(name.split(" ", 1) for name in names), strict=True)
    return {
        "vehicle_make": np.array(makes, dtype=object)[which],
        "vehicle_model": np.array(models, dtype=object)[which],
        "vehicle_category": np.array(categories, dtype=object)[which],
        "vehicle_price": np.round(np.array(prices)[which] * rng.lognormal(0, 0.15, n), -2),
        "vehicle_age_years": rng.integers(0, 15, n),
    }


def _people(n: int, rng: np.random.Generator) -> ClaimColumns:
    age = rng.normal(42, 13, n).clip(18, 90).astype(np.int64)
    return {
        "driver_age": (age + rng.normal(0, 4, n)).clip(17, 95).astype(np.int64),
        "policyholder_age": age,
        "policyholder_sex": _pick(rng, n, {"female": 0.48, "male": 0.52}),
        "marital_status": _pick(
            rng, n, {"married": 0.55, "single": 0.3, "divorced": 0.1, "widowed": 0.05}
        ),
        "postal": rng.integers(43_000, 63_000, n),
    }


def damage_shares(severity: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Damage as a share of the vehicle's value, shape (n_claims,), for severities by name."""
    shares = np.select([severity == name for name in DAMAGE], list(DAMAGE.values()), 0.1)
    return shares * rng.lognormal(0, 0.35, len(severity))
