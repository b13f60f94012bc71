"""Labelled claims for studies, with their columns computed once."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from model.arrays import Indices, Scores
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset
from model.families.estimators import build
from model.families.rates import WEIGHT
from model.features.encoder import MANY, many_valued, varying
from model.features.facts import Column, claim_columns
from model.samples import dwellings, health
from schemas.contract.parse import shipped
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.rows import LabelReader, at

GENERATORS: Final[dict[str, Callable[[int, int], list[dict[str, Any]]]]] = {
    "health": health.generate,
    "property": dwellings.generate,
}


class Variant(NamedTuple):
    """What a fit does differently from the defaults."""

    name: str
    above: float = MANY
    """Categories beyond which a feature gets shares of fraud."""
    weight: float = WEIGHT
    level: float = 0.2
    """Of the screen."""
    enough: int = 5_000
    """Claims from which the screen keeps everything."""


class StudyTable:
    """A data set and the columns of its features."""

    def __init__(self, name: str, dataset: Dataset) -> None:
        self.name = name
        self.dataset = dataset

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Of every claim, by feature."""
        contract = self.dataset.contract
        return claim_columns(contract, self.dataset.claims, contract.features())

    def rows(self, rows: Indices) -> dict[str, Column]:
        """The columns of some claims."""
        chosen = rows.tolist()
        return {
            name: column[rows] if isinstance(column, np.ndarray) else [column[i] for i in chosen]
            for name, column in self.columns.items()
        }

    def predict(
        self, train: Indices, test: Indices, algorithm: str, variant: Variant, seed: int
    ) -> Scores:
        """Fraud probabilities of the test rows after a fit on the training rows."""
        seen = self.rows(train)
        categorical = [n for n in seen if self.dataset.contract.is_category(n)]
        rated = [n for n in categorical if n in many_valued(seen, [n], int(variant.above))]
        pipeline = build(algorithm, varying(seen, categorical), categorical, rated=rated, seed=seed)
        classify = pipeline["classify"]
        classify.set_params(screen__level=variant.level, screen__enough=variant.enough)
        if rated:
            classify.set_params(rates__weight=variant.weight)
        with threadpool_limits(1):
            pipeline.fit(seen, self.dataset.labels[train])
        found: Scores = pipeline.predict_proba(self.rows(test))[:, 1]
        return found


def generated(name: str, events: int, seed: int) -> StudyTable:
    """Events of a generator that were labelled by the time its file is written."""
    contract = shipped(name)
    decoder, labels = ClaimDecoder(contract), LabelReader(contract)
    claims, found = [], []
    for event in GENERATORS[name](events, seed):
        label = labels.read(at(event, contract.label_path))
        if label is not None:
            claims.append(decoder.decode(msgspec.json.encode(event)))
            found.append(label)
    dataset = Dataset(contract, claims, np.array(found, dtype=np.int8), name=name)
    return StudyTable(f"{name} {seed}", dataset)


def public(
    folder: Path, names: Sequence[str] = ("carclaims", "insurance_claims")
) -> list[StudyTable]:
    """The public data sets.

    Raises:
        DatasetError: a file is missing from the folder or cannot be read.
    """
    files = {"carclaims": "fraud_oracle.csv", "insurance_claims": "insurance_claims.csv"}
    return [StudyTable(name, datasets.load(str(folder / files[name]), name)) for name in names]


def synthetic(rows: int, seed: int) -> StudyTable:
    """The generator of auto claims."""
    return StudyTable("synthetic", datasets.load("synthetic", "synthetic", rows=rows, seed=seed))
