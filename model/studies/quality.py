"""Recomputes every quality figure that we state: ``python -m model quality --data-dir DIR``.

Three protocols, each for each family: fraud_oracle.csv trained on 1994-95 and tested on 1996;
the same file split at random (stratified); insurance_claims.csv cross-validated, with hobbies (an
artefact of that file: not to be relied on) and without. Features are the defaults: no identifier,
no calendar, no protected and, except for hobbies, no personal field.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from model.arrays import Indices, Labels, Scores
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset
from model.datasets.duplicates import group_labels, rows_of
from model.families.estimators import ALGORITHMS, RATED, build
from model.features.encoder import many_valued, varying
from model.features.facts import claim_columns
from model.metrics import recall_at
from model.reports.table import TextTable
from model.training import splits

Prediction = tuple[Labels, Scores]
Predict = Callable[..., Prediction]
"""As `predict`."""

TEST_FROM: Final = dt.date(1996, 1, 1)
SEEDS: Final = (1, 2, 3, 4, 5)
RESAMPLES: Final = 500
INTERVAL: Final = (2.5, 97.5)

METRICS: Final[dict[str, Callable[[Labels, Scores], float]]] = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "recall_at_5pct": lambda y, p: recall_at(y, p, 0.05) or 0.0,
    "recall_at_10pct": lambda y, p: recall_at(y, p, 0.10) or 0.0,
    "brier": brier_score_loss,
}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one family under one protocol: mean over runs."""

    protocol: str
    algorithm: str
    metric: str
    mean: float
    low: float
    """Lower bound of the 95 % interval."""
    high: float
    runs: int


def predict(
    dataset: Dataset,
    train: Indices,
    test: Indices,
    algorithm: str,
    features: Sequence[str],
    seed: int,
    **parameters: object,
) -> Prediction:
    """Labels and fraud probabilities of the test rows after a fit on the training rows.

    Args:
        dataset: labelled claims.
        train: rows to fit on; all that is learnt comes from them.
        test: rows to score.
        algorithm: one of `ALGORITHMS`.
        features: columns the model may see.
        seed: of the fit.
        parameters: of the classifier, other than its defaults.
    """
    contract = dataset.contract
    categorical = [name for name in features if contract.is_category(name)]
    seen = claim_columns(contract, [dataset.claims[i] for i in train], features)
    rated = many_valued(seen, categorical) if algorithm in RATED else ()
    pipeline = build(algorithm, varying(seen, categorical), categorical, rated=rated, seed=seed)
    pipeline["classify"].set_params(**parameters)
    pipeline.fit(seen, dataset.labels[train])
    names = pipeline["encode"].features
    new = claim_columns(contract, [dataset.claims[i] for i in test], names)
    return dataset.labels[test], pipeline.predict_proba(new)[:, 1]


def figures(data_dir: Path, on_fit: Callable[[], None] = lambda: None) -> list[Figure]:
    """All figures. Calls ``on_fit`` after each of `FITS` fits.

    Raises:
        DatasetError: a file is missing from the folder or cannot be read.
    """
    oracle = datasets.load(str(data_dir / "fraud_oracle.csv"), "carclaims")
    insurance = datasets.load(str(data_dir / "insurance_claims.csv"), "insurance_claims")
    usual = insurance.contract.features()
    found: list[Figure] = []
    for algorithm in ALGORITHMS:
        for protocol, runs in (
            ("1994-95 to 1996", later_year(oracle, algorithm)),
            ("stratified 80/20", stratified(oracle, algorithm)),
            (
                "5x5 cross-validation, with hobbies",
                cross_validation(insurance, algorithm, (*usual, "hobbies")),
            ),
            ("5x5 cross-validation", cross_validation(insurance, algorithm, usual)),
        ):
            found += summarise(protocol, algorithm, _watched(runs, on_fit))
    return found


FITS: Final = len(ALGORITHMS) * (2 * len(SEEDS) + 2 * 25)


def _watched(runs: Iterator[Prediction], on_fit: Callable[[], None]) -> list[Prediction]:
    done = []
    for run in runs:
        done.append(run)
        on_fit()
    return done


def later_year(
    dataset: Dataset, algorithm: str, day: dt.date = TEST_FROM, predict: Predict = predict
) -> Iterator[Prediction]:
    """Trained on losses before a day, tested on the others; one run a seed."""
    train, test = splits.cutoff_split(dataset.days, day, dataset.groups)
    for seed in SEEDS:
        yield predict(dataset, train, test, algorithm, dataset.contract.features(), seed)


def stratified(
    dataset: Dataset, algorithm: str, predict: Predict = predict
) -> Iterator[Prediction]:
    """A fifth tested, drawn at random; one run a seed."""
    for seed in SEEDS:
        train, test = splits.random_split(dataset.labels, 0.2, seed, dataset.groups)
        yield predict(dataset, train, test, algorithm, dataset.contract.features(), seed)


def cross_validation(
    dataset: Dataset, algorithm: str, features: Sequence[str], predict: Predict = predict
) -> Iterator[Prediction]:
    """Five times five folds."""
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=SEEDS[0])
    labels, groups = group_labels(dataset.labels, dataset.groups), dataset.groups
    for inside, outside in folds.split(labels, labels):
        train, test = rows_of(inside, groups), rows_of(outside, groups)
        yield predict(dataset, train, test, algorithm, features, SEEDS[0])


def summarise(protocol: str, algorithm: str, runs: Sequence[Prediction]) -> list[Figure]:
    """Mean over the runs of each metric, and its 95 % bootstrap interval.

    A resample draws a run, then as many claims as it has, with replacement, frauds and
    others separately: the interval covers chance in the fit, the split and the test claims.
    """
    rng = np.random.default_rng(0)
    drawn = [_resample(runs[int(rng.integers(len(runs)))], rng) for _ in range(RESAMPLES)]
    return [
        Figure(
            protocol=protocol,
            algorithm=algorithm,
            metric=name,
            mean=float(np.mean([metric(y, p) for y, p in runs])),
            low=float(low),
            high=float(high),
            runs=len(runs),
        )
        for name, metric in METRICS.items()
        for low, high in [np.percentile([metric(y, p) for y, p in drawn], INTERVAL)]
    ]


def _resample(run: Prediction, rng: np.random.Generator) -> Prediction:
    y, p = run
    sides = (np.flatnonzero(y == 1), np.flatnonzero(y != 1))
    rows = np.concatenate([rng.choice(side, len(side)) for side in sides])
    return y[rows], p[rows]


def table(found: Sequence[Figure]) -> TextTable:
    """Figures as a readable table: one row per protocol and family, one column per metric."""
    rows: dict[tuple[str, str], list[str]] = {}
    for f in sorted(found, key=lambda f: f.protocol):
        figure = f"{f.mean:.4f} ({f.low:.3f}-{f.high:.3f})"
        rows.setdefault((f.protocol, f.algorithm), []).append(figure)
    cells = [[*names, *figures] for names, figures in rows.items()]
    return TextTable(["protocol", "family", *METRICS], cells, "mean (95 % interval)", text=(0, 1))
