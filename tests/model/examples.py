"""Claims made for the tests of the model, small and seeded."""

import datetime as dt
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from model.artifact.manifest import SplitPlan
from model.datasets.dataset import Dataset
from model.thresholds import Top
from model.training.train import Trained, train
from schemas.claim import Claim
from schemas.contract.parse import shipped

T = TypeVar("T")
AUTO = shipped("auto")
FEATURES = AUTO.features()
"""Columns that models of auto claims see unless told otherwise."""
FIRST_DAY = dt.date(2021, 1, 1)


def claim(number: int, rng: np.random.Generator) -> Claim:
    """A claim with gaps: about one value in five is missing."""

    def maybe(value: T) -> T | None:
        return value if rng.random() > 0.2 else None

    loss = FIRST_DAY + dt.timedelta(days=number // 3)
    return Claim(
        claim_id=f"c{number}",
        policy_number=str(1000 + number),
        loss_date=loss,
        report_date=maybe(loss + dt.timedelta(days=int(rng.integers(0, 40)))),
        policy_start_date=maybe(loss - dt.timedelta(days=int(rng.integers(10, 900)))),
        fault=maybe(str(rng.choice(["Policy Holder", "Third Party"]))),
        vehicle_make=maybe(str(rng.choice(["Honda", "Ford", "Saab", "BMW"]))),
        police_report_filed=maybe(bool(rng.random() < 0.3)),
        claim_amount=maybe(float(rng.lognormal(8, 1))),
        past_claims=maybe(float(rng.integers(0, 5))),
        witnesses=maybe(int(rng.integers(0, 3))),
        policyholder_sex=maybe(str(rng.choice(["F", "M"]))),
    )


def dataset(size: int = 600, seed: int = 1) -> Dataset:
    """Claims of which about one in six is a fraud; blame, make and amount tell which."""
    rng = np.random.default_rng(seed)
    claims = tuple(claim(i, rng) for i in range(size))
    return Dataset(
        contract=AUTO,
        claims=claims,
        labels=_labels(claims, rng),
        name="examples",
        digest="ab" * 32,
        format="jsonl",
        rejected=(),
    )


def _labels(claims: tuple[Claim, ...], rng: np.random.Generator) -> npt.NDArray[np.int8]:
    blamed = np.array([c.fault == "Policy Holder" for c in claims])
    saab = np.array([c.vehicle_make == "Saab" for c in claims])
    costly = np.array([(c.claim_amount or 0) > 5000 for c in claims])
    odds = -3.0 + 1.5 * blamed + 1.5 * saab + 1.0 * costly
    return (rng.random(len(claims)) < 1 / (1 + np.exp(-odds))).astype(np.int8)


@cache
def linear() -> Trained:
    """A logistic regression of those claims, for tests that need some model and leave it alone."""
    plan = SplitPlan(kind="random")
    return train(dataset(), "logistic_regression", plan, policy=Top(0.1))
