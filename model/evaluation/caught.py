"""What a threshold catches and misses among claims whose outcome is known. Pure."""

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from model.arrays import Flags, Indices, Scores
from model.datasets.dataset import Dataset

MOST_EXAMPLES: Final = 10


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was claimed in frauds, in the contract's currency; see ``x-event``, *amount*."""

    caught: float
    missed: float
    unknown: int
    """Number of frauds without an amount."""
    currency: str | None = None


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of claims, of frauds among those referred and those not, and their amounts."""

    claims: int
    referred: int
    caught: int
    missed: int
    amounts: Amounts | None = None
    """None where the contract names no amount."""

    @property
    def false_alarms(self) -> int:
        """Claims that are referred and are not frauds."""
        return self.referred - self.caught


def caught(dataset: Dataset, p: Scores, threshold: float) -> Caught:
    """What a threshold catches.

    Args:
        dataset: the scored claims and their labels.
        p: fraud probabilities, shape (n_claims,).
        threshold: claims at or above it are referred.
    """
    fraud, referred = dataset.labels == 1, p >= threshold
    return Caught(
        claims=len(p),
        referred=int(referred.sum()),
        caught=int((fraud & referred).sum()),
        missed=int((fraud & ~referred).sum()),
        amounts=_amounts(dataset, fraud, referred),
    )


def _amounts(dataset: Dataset, fraud: Flags, referred: Flags) -> Amounts | None:
    name = dataset.contract.event.amount
    if name is None:
        return None
    stated = [getattr(claim, name) for claim in dataset.claims]
    return Amounts(
        caught=_sum(stated[row] for row in np.nonzero(fraud & referred)[0]),
        missed=_sum(stated[row] for row in np.nonzero(fraud & ~referred)[0]),
        unknown=sum(stated[row] is None for row in np.nonzero(fraud)[0]),
        currency=dataset.contract.about.currency,
    )


def _sum(amounts: Iterable[float | None]) -> float:
    return math.fsum(amount for amount in amounts if amount is not None)


def examples(among: Flags, p: Scores) -> Indices:
    """Rows of at most `MOST_EXAMPLES` claims, evenly spread from the highest score to the lowest.

    Neither the clearest nor the closest cases alone would be typical.

    Args:
        among: which claims to choose from, shape (n_claims,).
        p: fraud probabilities of all, shape (n_claims,).
    """
    rows = np.nonzero(among)[0]
    ordered = rows[np.argsort(-p[rows], kind="stable")]
    places = np.linspace(0, max(0, len(rows) - 1), min(MOST_EXAMPLES, len(rows)))
    return ordered[places.round().astype(np.int64)]
