"""Synthetic claims of our own: for demonstrations, tests and load, not for findings.

Nothing here comes from real claims. Facts are drawn independently except for a few plausible links
(amounts follow price and severity), then the patterns of `synthetic_schemes` are applied to most
of the fraudulent claims and to some honest ones. About 6 % of the labels are fraud; some
frauds show no pattern, some are never found and some honest claims are mislabelled, so
that a good model reaches a ROC AUC of about 0.85 to 0.92 and no more. Claims are ordered by their
losses.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.datasets.synthetic_facts import honest_facts
from model.datasets.synthetic_schemes import SCHEMES, ClaimColumns
from schemas.claim import Claim

VERSION: Final = 1
"""Incremented whenever the same arguments produce different claims."""

FRAUD_SHARE: Final = 0.063
SHOWS_PATTERN: Final = 0.9
"""Share of frauds that show their pattern; the rest look honest."""
LOOKS_ALIKE: Final = 0.01
"""Share of honest claims that show each pattern."""
NEVER_FOUND: Final = 0.06
"""Share of frauds labelled honest."""
MISLABELLED: Final = 0.003
"""Share of honest claims labelled fraud."""
OUT_OF_COVER: Final = 0.004
"""Share of claims whose policy had ended before the loss."""
MISSING: Final = {
    "authorities_contacted": 0.1,
    "collision_type": 0.15,
    "customer_months": 0.03,
    "driver_age": 0.02,
    "fault": 0.05,
    "injury_amount": 0.1,
    "loss_hour": 0.08,
    "police_report_filed": 0.2,
    "property_damage": 0.25,
    "umbrella_limit": 0.3,
    "vehicle_price": 0.06,
    "witnesses": 0.1,
}
"""Share of claims in which the fact is unknown at first notice."""

Cells = Mapping[str, list[Any]]


def generate(n: int, seed: int) -> tuple[list[Claim], npt.NDArray[np.int8]]:
    """Generate ``n`` claims in the order of their losses.

    Returns:
        The claims and their labels, shape (n,), 1 for fraud; the same for the same arguments.
    """
    rng = np.random.default_rng(seed)
    facts = honest_facts(n, rng)
    fraud = rng.random(n) < FRAUD_SHARE
    _apply_schemes(facts, fraud, rng)
    cells = {**_names(facts), **_dates(facts, rng), **_facts(facts, _amounts(facts, rng), rng)}
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    return msgspec.convert(rows, list[Claim]), _noisy(fraud, rng)


def _apply_schemes(
    facts: ClaimColumns, fraud: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    n = len(fraud)
    scheme = rng.integers(0, len(SCHEMES), n)
    shown = fraud & (rng.random(n) < SHOWS_PATTERN)
    for number, bend in enumerate(SCHEMES):
        alike = ~fraud & (rng.random(n) < LOOKS_ALIKE)
        bend(facts, np.flatnonzero((shown & (scheme == number)) | alike), rng)


def _noisy(fraud: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int8]:
    flipped = rng.random(len(fraud)) < np.where(fraud, NEVER_FOUND, MISLABELLED)
    return (fraud ^ flipped).astype(np.int8)


def _amounts(facts: ClaimColumns, rng: np.random.Generator) -> ClaimColumns:
    n = len(facts["damage_share"])
    value = facts["vehicle_price"] * 0.88 ** facts["vehicle_age_years"]
    vehicle = np.round(value * facts["damage_share"], 2)
    other = np.round(facts["property_damage"] * rng.lognormal(7.5, 0.8, n), 2)
    injury = np.round(facts["bodily_injuries"] * rng.lognormal(8, 0.7, n), 2)
    return {
        "claim_amount": np.round(vehicle + other + injury, 2),
        "injury_amount": injury,
        "property_amount": other,
        "vehicle_amount": vehicle,
    }


def _names(facts: ClaimColumns) -> Cells:
    n = len(facts["loss_day"])
    return {
        "claim_id": [f"synthetic-{i:09}" for i in range(n)],
        "policy_number": [f"P{i * 7919 % 1_000_000:06}" for i in range(n)],
        "representative_id": [f"R{i:02}" for i in facts["representative"].tolist()],
        "claimant_name": [f"Claimant {i}" for i in range(n)],
        "claimant_phone": [f"+1-202-555-{i % 200:04}" for i in range(n)],
        "postal_code": [str(code) for code in facts["postal"].tolist()],
    }


def _dates(facts: ClaimColumns, rng: np.random.Generator) -> Cells:
    lost = facts["loss_day"]
    started = lost - facts["policy_age_days"]
    renewed = started + 365 * (facts["policy_age_days"] // 365 + 1) - 1
    lapsed = rng.random(len(lost)) < OUT_OF_COVER
    ended = np.where(lapsed, lost - rng.integers(1, 30, len(lost)), renewed)
    days = {
        "loss_date": lost,
        "report_date": lost + facts["lag_days"],
        "policy_start_date": started,
        "policy_end_date": np.maximum(ended, started),
    }
    return {name: list(map(dt.date.fromordinal, day.tolist())) for name, day in days.items()}


def _facts(facts: ClaimColumns, amounts: ClaimColumns, rng: np.random.Generator) -> Cells:
    age_at_report = facts["policy_age_days"] + facts["lag_days"]
    known = {**facts, **amounts, "policy_age_at_report_days": age_at_report}
    missing = {name: rng.random(len(age_at_report)) < share for name, share in MISSING.items()}
    missing["years_since_address_change"] = ~facts["address_changed"]
    return {
        name: _cells(column, missing.get(name))
        for name, column in known.items()
        if name in Claim.__struct_fields__
    }


def _cells(column: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None) -> list[Any]:
    cells: list[Any] = column.tolist()
    if missing is not None:
        for row in np.flatnonzero(missing).tolist():
            cells[row] = None
    return cells
