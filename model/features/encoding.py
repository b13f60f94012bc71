"""From columns of claims to a matrix of floats, by what an encoder learnt."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model.arrays import Matrix
from model.features.facts import Column
from model.features.vocabulary import Vocabulary, numbers, plain_list
from schemas.columnar.coded import Coded

if TYPE_CHECKING:
    import pandas as pd


class Encoding:
    """What was learnt of the columns.

    It only ever accesses ``X[name]``. So a pandas DataFrame (training, cross-validation) and a
    plain mapping of columns (serving) go through the same code and give the same result to the last
    bit, and a batch pays for its columns, not for a DataFrame.

    Args:
        features: names of the columns to use, in the matrix's order.
        vocabularies: by name, of those that contain texts.
    """

    features: Sequence[str]
    vocabularies_: dict[str, Vocabulary]

    def __init__(self, features: Sequence[str], vocabularies: Mapping[str, Vocabulary]) -> None:
        self.features = features
        self.vocabularies_ = dict(vocabularies)

    def codes(self, X: "Mapping[str, Column | Coded] | pd.DataFrame") -> Matrix:
        """The matrix, shape (n_claims, n_features).

        Raises:
            KeyError: X lacks a feature.
        """
        columns = [self.column(name, X[name]) for name in self.features]
        return np.array(columns, dtype=np.float64).T

    def categories(self) -> dict[str, tuple[str, ...]]:
        """Learnt categories, by feature."""
        return {name: v.categories for name, v in self.vocabularies_.items()}

    def column(self, name: str, column: Any) -> npt.NDArray[np.float64]:
        """A column as the matrix has it; for a category, its codes."""
        if isinstance(column, Coded):
            of_values = self.column(name, column.values)
            return of_values[np.asarray(column.at, dtype=np.intp)]
        vocabulary = self.vocabularies_.get(name)
        if vocabulary is None:
            return numbers(column)
        return vocabulary.codes(plain_list(column))
