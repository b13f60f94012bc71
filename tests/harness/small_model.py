"""A model trained in a moment, for tests that only need one that is real."""

import datetime as dt
from pathlib import Path

from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load
from model.thresholds import Fixed
from model.training.train import train, write

PLAN = SplitPlan(kind="random", test_size=0.2, seed=42)


def train_small(folder: Path) -> None:
    """Train on a few synthetic claims; the threshold is low, so that there are referrals.

    Only what a worker loads is written: leaks, reports and cards have their own tests.
    """
    claims = load("synthetic", "synthetic", rows=3_000)
    trained = train(claims, "gradient_boosting", PLAN, policy=Fixed(0.1))
    write(trained, folder, created_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
