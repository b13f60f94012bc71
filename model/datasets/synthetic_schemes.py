"""Fraud patterns of the synthetic claims: how each changes the facts of a claim.

A pattern is applied to the given claims, most of them fraudulent and some honest: a late
report without a police report happens to honest people too, which is why no score is certain.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model.arrays import Indices

ClaimColumns = dict[str, npt.NDArray[Any]]
"""Facts by name, each of shape (n_claims,)."""


def early_policy(facts: ClaimColumns, some: Indices, rng: np.random.Generator) -> None:
    """A loss within weeks of the policy's start, on a policy sold by an external agent."""
    facts["policy_age_days"][some] = rng.integers(0, 45, len(some))
    facts["customer_months"][some] = rng.integers(0, 4, len(some))
    facts["agent_type"][some] = "external"


def late_report(facts: ClaimColumns, some: Indices, rng: np.random.Generator) -> None:
    """A theft or parked-car loss reported weeks later, with no police report and no witness."""
    facts["lag_days"][some] = rng.integers(15, 90, len(some))
    facts["incident_type"][some] = rng.choice(["vehicle theft", "parked car"], len(some))
    facts["police_report_filed"][some] = False
    facts["witnesses"][some] = 0


def inflated_amount(facts: ClaimColumns, some: Indices, rng: np.random.Generator) -> None:
    """Slight damage claimed at the price of a heavy one."""
    facts["incident_severity"][some] = rng.choice(["trivial damage", "minor damage"], len(some))
    facts["damage_share"][some] = rng.uniform(0.35, 0.95, len(some))
    facts["property_damage"][some] = True


def staged_accident(facts: ClaimColumns, some: Indices, rng: np.random.Generator) -> None:
    """Many vehicles, many injured, ready witnesses, at night, the other party at fault."""
    facts["incident_type"][some] = "multi-vehicle collision"
    facts["collision_type"][some] = "rear collision"
    facts["vehicles_involved"][some] = rng.integers(2, 5, len(some))
    facts["bodily_injuries"][some] = rng.integers(2, 6, len(some))
    facts["witnesses"][some] = rng.integers(2, 4, len(some))
    facts["loss_hour"][some] = rng.integers(20, 24, len(some))
    facts["fault"][some] = "third party"


def moved_total_loss(facts: ClaimColumns, some: Indices, rng: np.random.Generator) -> None:
    """A total loss of an ageing, well-covered vehicle soon after a change of address."""
    facts["years_since_address_change"][some] = rng.uniform(0, 0.6, len(some))
    facts["address_changed"][some] = True
    facts["incident_severity"][some] = "total loss"
    facts["damage_share"][some] = rng.uniform(0.8, 1.2, len(some))
    facts["vehicle_age_years"][some] = rng.integers(6, 15, len(some))
    facts["policy_type"][some] = "all perils"


SCHEMES: Final[tuple[Callable[[ClaimColumns, Indices, np.random.Generator], None], ...]] = (
    early_policy,
    late_report,
    inflated_amount,
    staged_accident,
    moved_total_loss,
)
