"""Numbers that models cannot be trained on: larger than a float of 32 bits can hold."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.features.facts import Columns, column
from model.features.vocabulary import numbers
from schemas.contract.model import Contract

LARGEST: Final = float(np.finfo(np.float32).max)
"""Trees see numbers with this precision; about 3.4e38."""


def refuse_extremes(contract: Contract, claims: Sequence[Any], columns: Columns) -> None:
    """Check the numbers that a model would see, before anything is fitted.

    Args:
        contract: what the claims are.
        claims: for the name of the one at fault.
        columns: of the same claims, by feature; texts are not looked at.

    Raises:
        ValueError: a number is too large; the message names the feature, the claim and the way out.
    """
    for name in columns:
        if contract.is_category(name):
            continue
        values = numbers(columns[name])
        beyond = np.flatnonzero(np.abs(values) > LARGEST)
        if len(beyond):
            first = column(claims, contract.event.id)[beyond[0]]
            more = f" and {len(beyond) - 1:,} more" if len(beyond) > 1 else ""
            raise ValueError(
                f"{name} is {values[beyond[0]]:g} in claim {first!r}{more}, and models hold "
                f"numbers up to {LARGEST:.2g}: {_way_out(contract, name)}"
            )


def _way_out(contract: Contract, name: str) -> str:
    if name in contract.derived:
        return (
            f"bound its expression in the contract, as in min(…, 1e15), or mark {name} with "
            "x-feature: false"
        )
    return f"lower the maximum of {name} in the contract, or correct the claim"
