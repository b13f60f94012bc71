"""fit → choose threshold → evaluate → artifact."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model.arrays import Indices, Labels
from model.artifact import store as artifact
from model.artifact.manifest import Manifest, SplitPlan, TrainingData, Versions
from model.artifact.reference import Reference, describe
from model.artifact.store import ArtifactError, Contents
from model.compiled.fitted import difference, plain_pipeline
from model.compiled.plain import PlainPipeline, encoded
from model.datasets.dataset import Dataset
from model.families import estimators
from model.features.encoder import many_valued, varying
from model.features.facts import UNDATED, claim_columns, event_days
from model.history.plan import HistoryPlan
from model.metrics import Report, evaluate
from model.thresholds import Fixed, Levels, Policy, levels
from model.training import splits
from model.training.budgets import Chosen, warnings
from model.training.doubts import doubts
from model.training.extremes import refuse_extremes
from model.training.left_out import left_out
from model.training.pace import claims_per_day
from model.training.splits import Split
from model.training.ties import as_served
from schemas.contract.model import Contract

FOLDS: Final = 5
"""Folds of the training claims: the threshold is chosen on scores of held-out claims."""


def _no_step() -> None:
    """Do nothing."""


class Trained(NamedTuple):
    """A fitted pipeline and its performance on unseen claims."""

    algorithm: str
    contract: Contract
    pipeline: Any
    reference: Reference
    policy: Policy
    levels: Levels
    report: Report
    test_rows: Indices
    test_scores: npt.NDArray[np.float64]
    data: TrainingData
    plan: SplitPlan
    seed: int
    doubts: tuple[str, ...] = ()
    """See `model.training.doubts`."""
    warnings: tuple[str, ...] = ()
    """See `model.training.budgets`."""
    left_out: Mapping[str, str] = MappingProxyType({})
    """Features that the pipeline does not use, and why."""
    history: HistoryPlan | None = None
    """How its history features were computed, if it has any."""


def split(dataset: Dataset, plan: SplitPlan) -> Split:
    """The rows of each side by the plan; of kind *none* every row is in both.

    Raises:
        ValueError: the data set cannot be split like that.
    """
    if plan.kind == "random":
        return splits.random_split(dataset.labels, plan.test_size, plan.seed, dataset.groups)
    if plan.kind == "none":
        rows = np.arange(len(dataset.labels))
        return Split(rows, rows)
    if plan.cutoff is not None:
        return splits.cutoff_split(dataset.days, plan.cutoff, dataset.groups)
    return splits.time_split(dataset.days, plan.test_size, dataset.groups)


def pick(claims: Sequence[Any], rows: Indices) -> list[Any]:
    """The claims of these rows."""
    return [claims[i] for i in rows]


def fit(
    contract: Contract,
    claims: Sequence[Any],
    labels: Labels,
    algorithm: str,
    *,
    features: Sequence[str],
    seed: int = estimators.DEFAULT_SEED,
) -> Any:
    """A fitted pipeline. Features that are constant in the given claims are dropped.

    Raises:
        ValueError: unknown algorithm, only one label, or no feature varies.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("training needs both frauds and other claims")
    columns = claim_columns(contract, claims, features)
    categorical = [name for name in features if contract.is_category(name)]
    names = varying(columns, categorical)
    if not names:
        raise ValueError("no feature varies: there is nothing to learn from")
    rated = many_valued(columns, categorical) if algorithm in estimators.RATED else ()
    pipeline = estimators.build(algorithm, names, categorical, rated=rated, seed=seed)
    # These fits take seconds: threads that wait on a busy machine cost more than they save.
    with threadpool_limits(1):
        return pipeline.fit(columns, labels)


def train(
    dataset: Dataset,
    algorithm: str,
    plan: SplitPlan,
    *,
    features: Sequence[str] | None = None,
    seed: int = estimators.DEFAULT_SEED,
    policy: Policy | None = None,
    sides: Split | None = None,
    history: HistoryPlan | None = None,
    on_fit: Callable[[], None] = _no_step,
) -> Trained:
    """Fit and choose the threshold on the training side of the split, evaluate on the test side.

    Args:
        dataset: labelled claims.
        algorithm: one of `model.families.estimators.ALGORITHMS`.
        plan: which claims are trained on.
        features: columns the model may see; None for those that the contract names.
        seed: makes fitting repeatable.
        policy: how the threshold is chosen; fixed at 0.5 unless given.
        sides: the split of that plan, if it is known already.
        history: how the history features among the claims' fields were computed.
        on_fit: called after each of the `FOLDS` + 1 fits, for a progress bar.

    Raises:
        ValueError: as `refuse_extremes`, `split`, `fit` and `model.thresholds.levels`.
    """
    policy, contract = policy or Fixed(), dataset.contract
    features = contract.features() if features is None else features
    columns = claim_columns(contract, dataset.claims, features)
    refuse_extremes(contract, dataset.claims, columns)
    train_rows, test_rows = sides or split(dataset, plan)
    seen, labels = pick(dataset.claims, train_rows), dataset.labels[train_rows]
    pipeline = fit(contract, seen, labels, algorithm, features=features, seed=seed)
    on_fit()
    held_out = out_of_fold(
        contract, seen, labels, dataset.groups[train_rows], algorithm,
        features=features, seed=seed, on_fit=on_fit,
    )  # fmt: skip
    data = _describe(dataset, seen, float(labels.mean()))
    pace = data.claims_per_day
    scores = predict(contract, pipeline, pick(dataset.claims, test_rows))
    held_out = as_served(policy, held_out, predict(contract, pipeline, seen), scores, pace)
    at = levels(policy, held_out, pace)
    chosen = Chosen(at.threshold, policy, held_out, pace)
    tested = dataset.labels[test_rows]
    return Trained(
        algorithm=algorithm,
        contract=contract,
        pipeline=pipeline,
        reference=describe(contract, pipeline, seen, held_out, labels, history),
        policy=policy,
        levels=at,
        report=evaluate(tested, scores, at.threshold),
        test_rows=test_rows,
        test_scores=scores,
        data=data,
        plan=plan,
        seed=seed,
        doubts=doubts(int(labels.sum()), tested, scores, chosen),
        warnings=tuple(warnings(chosen, scores)),
        left_out=left_out(contract, seen, features, pipeline),
        history=history,
    )


def predict(contract: Contract, pipeline: Any, claims: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Fraud probabilities, shape (n_claims,), by a pipeline that is not in an artifact yet."""
    columns = claim_columns(contract, claims, pipeline["encode"].features)
    scores: npt.NDArray[np.float64] = pipeline.predict_proba(columns)[:, 1]
    return scores


def out_of_fold(
    contract: Contract,
    claims: Sequence[Any],
    labels: Labels,
    groups: Indices,
    algorithm: str,
    *,
    features: Sequence[str],
    seed: int = estimators.DEFAULT_SEED,
    on_fit: Callable[[], None] = _no_step,
) -> npt.NDArray[np.float64]:
    """Fraud probability of each claim by a model fitted without its fold, shape (n_claims,).

    Raises:
        ValueError: as `fit`, or fewer than two claims with either label.
    """
    scores = np.empty(len(claims))
    _, numbered = np.unique(groups, return_inverse=True)
    for inside, outside in splits.stratified_folds(labels, FOLDS, seed, numbered):
        kept = pick(claims, inside)
        pipeline = fit(contract, kept, labels[inside], algorithm, features=features, seed=seed)
        scores[outside] = predict(contract, pipeline, pick(claims, outside))
        on_fit()
    return scores


def _describe(dataset: Dataset, seen: Sequence[Any], fraud_rate: float) -> TrainingData:
    days = event_days(dataset.contract, seen)
    dated = days[days != UNDATED]
    return TrainingData(
        name=dataset.name,
        format=dataset.format,
        sha256=dataset.digest,
        rows=len(dataset.claims),
        rejected=len(dataset.rejected),
        unlabelled=dataset.unlabelled,
        unused=dataset.unused,
        duplicates=dataset.duplicates,
        training_rows=len(seen),
        fraud_rate=fraud_rate,
        claims_per_day=claims_per_day(dated.tolist(), len(seen)),
        first_loss=dt.date.fromordinal(int(dated.min())) if len(dated) else None,
        last_loss=dt.date.fromordinal(int(dated.max())) if len(dated) else None,
    )


def package(
    trained: Trained, *, created_at: dt.datetime, name: str = "", version: str = ""
) -> tuple[Contents, Manifest]:
    """The files of an artifact, and the manifest that describes them.

    Args:
        trained: what to save.
        created_at: goes into the manifest.
        name: of the model; the algorithm unless given.
        version: of the model; the time of creation unless given.

    Raises:
        ArtifactError: as plain data the model would score or explain otherwise.
    """
    plain = plain_pipeline(trained.pipeline)
    _refuse_difference(plain, trained)
    contents = artifact.dump(trained.pipeline, trained.reference, trained.contract, encoded(plain))
    digests = contents.digests()
    encoder = trained.pipeline["encode"]
    manifest = Manifest(
        name=name or trained.algorithm,
        version=version or created_at.strftime("%Y%m%d.%H%M%S"),
        algorithm=trained.algorithm,
        created_at=created_at,
        sha256=digests.model,
        reference_sha256=digests.reference,
        contract_sha256=digests.contract,
        plain_sha256=digests.plain,
        contract=trained.contract.about,
        versions=Versions.current(),
        features=tuple(encoder.features),
        categories=encoder.categories(),
        policy=trained.policy,
        levels=trained.levels,
        metrics=trained.report,
        trained_on=trained.data,
        split=trained.plan,
        seed=trained.seed,
        doubts=trained.doubts,
        left_out=dict(trained.left_out),
        history=trained.history,
    )
    return contents, manifest


def _refuse_difference(plain: PlainPipeline, trained: Trained) -> None:
    contract, encoder = trained.contract, trained.pipeline["encode"]
    golden = trained.reference.golden_claims(contract)
    codes = encoder.codes(claim_columns(contract, golden, encoder.features))
    found = difference(plain.compiled(), trained.pipeline["classify"], codes)
    if found is not None:
        raise ArtifactError(f"{trained.algorithm} cannot be saved: {found}")


def write(
    trained: Trained, folder: Path, *, created_at: dt.datetime, name: str = "", version: str = ""
) -> Manifest:
    """Save as an artifact without documents; see `package`.

    Raises:
        ArtifactError: the folder is something else, or as `package`.
    """
    contents, manifest = package(trained, created_at=created_at, name=name, version=version)
    artifact.save(folder, contents, manifest)
    return manifest
