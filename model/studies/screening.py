"""Validates the level of the screen over several small sets.

``python -m model search --of screen --data-dir DIR``. From each data set a few hundred to a few
thousand of the earlier claims are drawn to train on, with several seeds, and later ones are tested
on; a data set without enough days is divided at random. All levels see the same claims.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Indices
from model.reports.table import TextTable, number
from model.studies import sets
from model.studies.quality import METRICS
from model.studies.sets import Variant
from model.training import splits
from model.training.splits import Split

SHOWN: Final = ("roc_auc", "average_precision")
SIZES: Final = (500, 1_500, 4_000)
SEEDS: Final = (1, 2, 3)
FEWEST_FRAUDS: Final = 10
"""Among the claims that are drawn: with fewer there is nothing to learn for any level."""
MOST_TESTED: Final = 4_000
ALGORITHMS: Final = ("gradient_boosting", "logistic_regression")

VARIANTS: Final = (
    Variant("none", enough=0),
    Variant(".001", level=0.001),
    Variant(".01", level=0.01),
    Variant(".05", level=0.05),
    Variant(".2", level=0.2),
)
"""By the level of the screen."""


class ScreenFigures(NamedTuple):
    """Figures of one level for one draw."""

    data: str
    size: int
    algorithm: str
    level: str
    seed: int
    figures: tuple[float, ...]
    """Of `SHOWN`."""


def tables(folder: Path) -> list[sets.StudyTable]:
    """The data sets.

    Raises:
        DatasetError: a file is missing from the folder or cannot be read.
    """
    made = [sets.generated(name, 12_000, 1) for name in sets.GENERATORS]
    return [*sets.public(folder), *made, sets.synthetic(12_000, 1)]


def study(
    every: Iterable[sets.StudyTable],
    algorithms: Sequence[str] = ALGORITHMS,
    on_found: Callable[[ScreenFigures], None] = lambda found: None,
) -> list[ScreenFigures]:
    """Every level on every draw."""
    found = []
    for data in every:
        for size, seed, (train, test) in draws(data):
            y = data.dataset.labels[test]
            for algorithm in algorithms:
                for variant in VARIANTS:
                    p = data.predict(train, test, algorithm, variant, seed)
                    figures = tuple(METRICS[name](y, p) for name in SHOWN)
                    found.append(
                        ScreenFigures(data.name, size, algorithm, variant.name, seed, figures)
                    )
                    on_found(found[-1])
    return found


def draws(data: sets.StudyTable) -> Iterator[tuple[int, int, Split]]:
    """Sizes, seeds, and claims to train and to test on."""
    for size in SIZES:
        for seed in SEEDS:
            train, test = _sides(data, seed)
            drawn = _some(train, size, seed)
            if size <= len(train) and data.dataset.labels[drawn].sum() >= FEWEST_FRAUDS:
                yield size, seed, Split(drawn, _some(test, MOST_TESTED, seed))


def _sides(data: sets.StudyTable, seed: int) -> Split:
    dataset = data.dataset
    if data.name == "insurance_claims":  # two months of losses
        return splits.random_split(dataset.labels, 0.4, seed, dataset.groups)
    return splits.time_split(dataset.days, 0.4, dataset.groups)


def _some(rows: Indices, most: int, seed: int) -> Indices:
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False))


def table(found: Sequence[ScreenFigures]) -> TextTable:
    """One row per data set, size and family; for each level the mean ROC AUC and AP."""
    rows = []
    for kind in dict.fromkeys((f.data, f.size, f.algorithm) for f in found):
        cells = []
        for variant in VARIANTS:
            drawn = [
                f.figures
                for f in found
                if (f.data, f.size, f.algorithm, f.level) == (*kind, variant.name)
            ]
            cells.append(" / ".join(map(number, np.mean(drawn, axis=0).tolist())))
        rows.append([kind[0], str(kind[1]), kind[2], *cells])
    head = ["data", "trained on", "family", *(variant.name for variant in VARIANTS)]
    return TextTable(head, rows, "ROC AUC / average precision by level", text=(0, 2))
