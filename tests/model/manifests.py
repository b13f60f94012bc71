"""A manifest made by hand, for tests that need no model."""

import datetime as dt

import numpy as np

from model.artifact.manifest import Manifest, SplitPlan, TrainingData, Versions
from model.metrics import evaluate
from model.thresholds import Fixed, Levels
from schemas.contract.parse import shipped

DIGEST = "ab" * 32


def manifest(version: str) -> Manifest:
    """Of a model that was never trained."""
    data = TrainingData(
        name="claims.jsonl",
        format="jsonl",
        sha256=DIGEST,
        rows=10,
        rejected=0,
        training_rows=8,
        fraud_rate=0.5,
        claims_per_day=1.0,
    )
    return Manifest(
        name="example",
        version=version,
        algorithm="logistic_regression",
        created_at=dt.datetime(2026, 11, 23, 15, 21, tzinfo=dt.UTC),
        sha256=DIGEST,
        reference_sha256=DIGEST,
        contract_sha256=DIGEST,
        contract=shipped("auto").about,
        versions=Versions.current(),
        features=("fault",),
        categories={"fault": ("policyholder",)},
        policy=Fixed(),
        levels=Levels(threshold=0.5, review=0.4, medium=0.3, high=0.5),
        metrics=evaluate(np.array([0, 1]), np.array([0.2, 0.8])),
        trained_on=data,
        split=SplitPlan(kind="random"),
        seed=42,
    )
