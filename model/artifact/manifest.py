"""The description of an artifact: ``manifest.json``."""

import datetime as dt
import importlib.metadata
import platform
from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from model.datasets.duplicates import Duplicates
from model.history.plan import HistoryPlan
from model.metrics import Report
from model.thresholds import Levels, Policy
from schemas.contract.declared import About

FORMAT_VERSION: Final = 3
FORMER_VERSION: Final = 1
"""That of release 0.1.0."""
WITHOUT_CONTRACT: Final = 2
"""The last format of artifacts that had no contract: their claims are those of *auto*."""
MAX_NAME: Final = 200
"""Characters: every alert carries name and version."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
SplitKind = Literal["random", "time", "none"]


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Versions a fitted model depends on."""

    python: str
    scikit_learn: str
    numpy: str

    @classmethod
    def current(cls) -> "Versions":
        """The versions in this process."""
        return cls(
            python=platform.python_version(),
            scikit_learn=importlib.metadata.version("scikit-learn"),
            numpy=np.__version__,
        )


class SplitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The split of rows into training and test."""

    kind: SplitKind
    test_size: float = 0.2
    seed: int = 42
    cutoff: dt.date | None = None
    """First day of the test side, instead of a share; for kind *time*."""


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """The data the model was trained on."""

    name: str
    format: str
    sha256: Sha256
    rows: int
    rejected: int
    unlabelled: int = 0
    """Rows that were left out as it is not known whether they are fraud."""
    unused: tuple[str, ...] = ()
    """Columns that the contract does not have."""
    duplicates: Duplicates = Duplicates()
    """Among the rows: claims that repeat an earlier one."""
    training_rows: int
    fraud_rate: float
    claims_per_day: float
    """Of the training claims, from the first day of loss to the last."""
    first_loss: dt.date | None = None
    last_loss: dt.date | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about an artifact except the model itself."""

    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
    version: Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
    algorithm: str
    created_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    sha256: Sha256
    """Of the model file's bytes."""
    reference_sha256: Sha256
    """Of the reference file's bytes."""
    versions: Versions
    features: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    policy: Policy
    levels: Levels
    metrics: Report
    trained_on: TrainingData
    split: SplitPlan
    seed: int
    contract_sha256: Sha256 = ""
    """Of the contract file's bytes."""
    plain_sha256: Sha256 | None = None
    """Of the bytes of the model as plain data; None of an artifact that has only the pickle."""
    contract: About = About(name="auto", version=1, line_of_business="auto")
    """What the model's claims are."""
    doubts: tuple[str, ...] = ()
    """Why the figures say too little to put the model into service; see `model.training.doubts`."""
    left_out: dict[str, str] = {}
    """Features of the contract that the model does not use, and why."""
    history: HistoryPlan | None = None
    """How history features were computed; None of a model that has none."""
    format_version: int = FORMAT_VERSION
