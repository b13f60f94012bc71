"""fit → evaluate → artifact."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model import artifact, estimators, splits
from model.datasets import Dataset
from model.evaluate import DEFAULT_THRESHOLD, Report, evaluate
from model.features import DEFAULT_FEATURES, claim_columns, varying
from model.manifest import Manifest, SplitPlan, TrainingData, Versions
from schemas.claim import Claim

Indices = npt.NDArray[np.int64]


class Trained(NamedTuple):
    """A fitted pipeline and how it did on claims it has not seen."""

    algorithm: str
    pipeline: Any
    report: Report
    data: TrainingData
    plan: SplitPlan
    seed: int


def split(dataset: Dataset, plan: SplitPlan) -> tuple[Indices, Indices]:
    """Row indices (training, test) of the plan; of kind *none* every row is in both.

    Raises:
        ValueError: the data set cannot be split like that.
    """
    if plan.kind == "random":
        return splits.random_split(dataset.labels, plan.test_size, plan.seed)
    if plan.kind == "none":
        rows = np.arange(len(dataset.labels))
        return rows, rows
    if plan.cutoff is not None:
        return splits.cutoff_split(dataset.claims, plan.cutoff)
    return splits.time_split(dataset.claims, plan.test_size)


def pick(claims: Sequence[Claim], rows: Indices) -> list[Claim]:
    """The claims of these rows."""
    return [claims[i] for i in rows]


def fit(
    claims: Sequence[Claim],
    labels: npt.NDArray[np.int8],
    algorithm: str,
    *,
    features: Sequence[str] = DEFAULT_FEATURES,
    seed: int = estimators.DEFAULT_SEED,
) -> Any:
    """A fitted pipeline. Features that are the same in all claims given are left out.

    Raises:
        ValueError: no such algorithm, only one label, or no feature varies.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("training needs both fraud and other claims")
    columns = claim_columns(claims, features)
    names = varying(columns)
    if not names:
        raise ValueError("no feature varies: there is nothing to learn from")
    # These fits take seconds: threads that wait for a busy machine cost more than they save.
    with threadpool_limits(1):
        return estimators.build(algorithm, names, seed=seed).fit(columns, labels)


def train(
    dataset: Dataset,
    algorithm: str,
    plan: SplitPlan,
    *,
    features: Sequence[str] = DEFAULT_FEATURES,
    seed: int = estimators.DEFAULT_SEED,
    threshold: float = DEFAULT_THRESHOLD,
) -> Trained:
    """Fit on the training side of the split, evaluate on the other.

    Raises:
        ValueError: as `split` and `fit`.
    """
    train_rows, test_rows = split(dataset, plan)
    seen = pick(dataset.claims, train_rows)
    pipeline = fit(seen, dataset.labels[train_rows], algorithm, features=features, seed=seed)
    columns = claim_columns(pick(dataset.claims, test_rows), pipeline["encode"].features)
    probabilities = pipeline.predict_proba(columns)[:, 1]
    report = evaluate(dataset.labels[test_rows], probabilities, threshold)
    data = _describe(dataset, seen, float(dataset.labels[train_rows].mean()))
    return Trained(algorithm, pipeline, report, data, plan, seed)


def _describe(dataset: Dataset, seen: Sequence[Claim], fraud_rate: float) -> TrainingData:
    days = [claim.loss_date for claim in seen if claim.loss_date is not None]
    return TrainingData(
        name=dataset.name,
        format=dataset.format,
        sha256=dataset.digest,
        rows=len(dataset.claims),
        rejected=len(dataset.rejected),
        training_rows=len(seen),
        fraud_rate=fraud_rate,
        first_loss=min(days, default=None),
        last_loss=max(days, default=None),
    )


def write(
    trained: Trained, folder: Path, *, created_at: dt.datetime, name: str = "", version: str = ""
) -> Manifest:
    """Save as an artifact. The version is the time of creation unless one is given.

    Raises:
        ArtifactError: the folder is something else.
    """
    model, sha256 = artifact.dump(trained.pipeline)
    encoder = trained.pipeline["encode"]
    manifest = Manifest(
        name=name or trained.algorithm,
        version=version or created_at.strftime("%Y%m%d.%H%M%S"),
        algorithm=trained.algorithm,
        created_at=created_at,
        sha256=sha256,
        versions=Versions.current(),
        features=tuple(encoder.features),
        categories=encoder.categories(),
        threshold=trained.report.threshold,
        metrics=trained.report,
        trained_on=trained.data,
        split=trained.plan,
        seed=trained.seed,
    )
    artifact.save(folder, model, manifest)
    return manifest
