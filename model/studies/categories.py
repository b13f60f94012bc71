"""Validates shares of fraud in place of many categories, forward in time.

``python -m model search --of categories --data-dir DIR``. Each variant is fitted on the past and
scored on the following window; the windows are weighted by their frauds, and generated claims are
drawn with several seeds. The last data set, fraud_oracle.csv before 1996, has no feature with many
categories: it must not change.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from model.families.estimators import ALGORITHMS
from model.reports.table import TextTable, number
from model.studies import sets
from model.studies.quality import METRICS, TEST_FROM
from model.studies.search import before
from model.studies.sets import Variant
from model.training import splits

SHOWN: Final = ("roc_auc", "average_precision", "recall_at_10pct")
EVENTS: Final = 12_000
SEEDS: Final = (1, 2, 3)
WINDOWS: Final = 3
NEVER: Final = 10**9

VARIANTS: Final = (
    Variant("codes, cut at 64", above=NEVER),
    Variant("shares above 12, weight 20", above=12, weight=20),
    Variant("shares above 32, weight 5", above=32, weight=5),
    Variant("shares above 32, weight 20", above=32, weight=20),
    Variant("shares above 32, weight 100", above=32, weight=100),
    Variant("shares above 64, weight 20", above=64, weight=20),
)


class EncodingFigures(NamedTuple):
    """Figures of one variant on one data set."""

    data: str
    algorithm: str
    variant: str
    figures: tuple[float, ...]
    """Of `SHOWN`."""


def tables(folder: Path) -> list[sets.StudyTable]:
    """The data sets.

    Raises:
        DatasetError: fraud_oracle.csv is missing from the folder or cannot be read.
    """
    made = [sets.generated(name, EVENTS, seed) for name in sets.GENERATORS for seed in SEEDS]
    (oracle,) = sets.public(folder, ["carclaims"])
    return [*made, sets.StudyTable("carclaims", before(oracle.dataset, TEST_FROM))]


def study(
    every: Iterable[sets.StudyTable],
    algorithms: Sequence[str] = ALGORITHMS,
    on_found: Callable[[EncodingFigures], None] = lambda found: None,
) -> list[EncodingFigures]:
    """Every variant on every data set."""
    found = []
    for data in every:
        for algorithm in algorithms:
            for variant in VARIANTS:
                figures = forward(data, algorithm, variant)
                found.append(EncodingFigures(data.name, algorithm, variant.name, figures))
                on_found(found[-1])
    return found


def forward(
    data: sets.StudyTable, algorithm: str, variant: Variant, windows: int = WINDOWS
) -> tuple[float, ...]:
    """Figures of one variant, by windows forward in time."""
    figures, frauds = [], []
    dataset = data.dataset
    for train, test in splits.forward_folds(dataset.days, windows, groups=dataset.groups):
        y, p = dataset.labels[test], data.predict(train, test, algorithm, variant, seed=42)
        figures.append([METRICS[name](y, p) for name in SHOWN])
        frauds.append(int(y.sum()))
    return tuple(np.average(figures, axis=0, weights=frauds).tolist())


def table(found: Sequence[EncodingFigures]) -> TextTable:
    """One row per kind of data, family and variant: means over the seeds."""
    kinds: dict[tuple[str, str, str], list[tuple[float, ...]]] = {}
    for one in found:
        kind = (one.data.split()[0], one.algorithm, one.variant)
        kinds.setdefault(kind, []).append(one.figures)
    rows = [
        [*kind, *map(number, np.mean(figures, axis=0).tolist())] for kind, figures in kinds.items()
    ]
    title = f"{WINDOWS} windows forward in time, mean over seeds"
    return TextTable(["data", "family", "categories", *SHOWN], rows, title, text=(0, 1, 2))
