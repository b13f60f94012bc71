"""The preprocessing that training and serving share, as scikit-learn fits it.

What it learns is an `Encoding`, which is all that serving needs.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from model.arrays import Matrix
from model.features.encoding import Encoding
from model.features.facts import Columns, claim_columns
from model.features.vocabulary import Vocabulary, numbers, plain_list
from schemas.contract.model import Contract
from schemas.expressions.spelling import clean

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES: Final = 64
MAX_RATED: Final = 10_000
"""Categories learnt of a feature whose categories are replaced by shares of fraud."""
MANY: Final = MAX_CATEGORIES
"""A feature with more categories than this can have shares of fraud in their place; see
docs/decisions/0021-many-categories.md."""


def claim_frame(contract: Contract, claims: Sequence[Any], names: Sequence[str]) -> "pd.DataFrame":
    """`claim_columns` as a DataFrame, which cross-validation and grid search can index."""
    import pandas as pd  # noqa: PLC0415 - serving never builds a DataFrame

    return pd.DataFrame(claim_columns(contract, claims, names))


def varying(columns: Columns, categorical: Collection[str]) -> tuple[str, ...]:
    """Names of the columns with at least two distinct values; missing counts as one.

    Args:
        columns: by name.
        categorical: names of those that contain texts.
    """

    def distinct(name: str) -> int:
        if name in categorical:
            return len(set(plain_list(columns[name])))
        return len(np.unique(numbers(columns[name])))

    return tuple(name for name in columns if distinct(name) > 1)


def many_valued(
    columns: Columns, categorical: Collection[str], above: int = MANY
) -> tuple[str, ...]:
    """Names of the texts among the columns that have more than `above` categories."""
    return tuple(
        name
        for name in columns
        if name in categorical
        and len({clean(value) for value in set(plain_list(columns[name]))} - {None}) > above
    )


class ClaimEncoder(Encoding, TransformerMixin, BaseEstimator):
    """Turns columns of claims into a matrix of floats, one column per feature.

    Numbers are unchanged, flags are 0 or 1, a category is a code from 0 in alphabetical order,
    unknown categories are -1, missing is NaN. This matches scikit-learn's OrdinalEncoder,
    which the tests compare with, except that missing stays missing even if training had none.

    Args:
        features: names of the columns to use, in the matrix's order.
        categorical: names of those that contain texts.
        max_categories: maximum categories learnt per feature; rarer ones count as unknown.
        rated: names of those with up to `MAX_RATED` categories instead.
    """

    def __init__(
        self,
        features: Sequence[str],
        categorical: Collection[str] = (),
        max_categories: int = MAX_CATEGORIES,
        rated: Collection[str] = (),
    ) -> None:
        self.features = features
        self.categorical = categorical
        self.max_categories = max_categories
        self.rated = rated

    def fit(self, X: "Columns | pd.DataFrame", y: Any = None) -> Self:
        """Learn the categories."""
        self.vocabularies_ = {
            name: Vocabulary(
                plain_list(X[name]), MAX_RATED if name in self.rated else self.max_categories
            )
            for name in self.features
            if name in self.categorical
        }
        return self

    def transform(self, X: "Columns | pd.DataFrame") -> Matrix:
        """The matrix, shape (n_claims, n_features).

        Raises:
            KeyError: X lacks a feature.
        """
        return self.codes(X)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the columns of the matrix."""
        return np.array(self.features, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vocabularies_")
