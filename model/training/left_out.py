"""Features that a fitted pipeline does not use."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.features.facts import claim_columns
from model.features.vocabulary import numbers, plain_list
from schemas.contract.model import Contract
from schemas.expressions.spelling import clean

MISSING: Final = "missing in every training claim"
CONSTANT: Final = "the same in every training claim"
SCREENED: Final = "dropped by the screen: no evidence in so few training claims"


def left_out(
    contract: Contract, claims: Sequence[Any], features: Sequence[str], pipeline: Any
) -> dict[str, str]:
    """Why each feature that was offered to the pipeline is not used, by name.

    Args:
        contract: what the claims are.
        claims: the training claims.
        features: names that `model.training.train.fit` got.
        pipeline: fitted.
    """
    used = tuple(pipeline["encode"].features)
    constant = [name for name in features if name not in used]
    columns = claim_columns(contract, claims, constant)
    found = {
        name: MISSING if _all_missing(column, text=contract.is_category(name)) else CONSTANT
        for name, column in columns.items()
    }
    return found | dict.fromkeys(screened(pipeline), SCREENED)


def screened(pipeline: Any) -> list[str]:
    """Names of the features that the screen of a fitted pipeline drops."""
    dropped = pipeline["classify"]["screen"].dropped_
    return [name for name, out in zip(pipeline["encode"].features, dropped, strict=True) if out]


def _all_missing(column: Any, *, text: bool) -> bool:
    if text:
        return all(clean(value) is None for value in plain_list(column))
    return bool(np.isnan(numbers(column)).all())
