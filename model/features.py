"""The preprocessing shared by training and serving: one fitted transformer, two forms.

The encoder only ever asks for ``X[name]``. So a pandas DataFrame (training, cross-validation) and
a plain mapping of columns (serving) go through the same code and give the same result to the
last bit, and a batch pays for its columns, not for a DataFrame.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from model.columns import (
    DEFAULT_FEATURES,
    DERIVED,
    Column,
    Columns,
    claim_columns,
    is_category,
)
from model.vocabulary import Vocabulary, numbers, plain_list
from schemas.claim import Claim

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DEFAULT_FEATURES",
    "DERIVED",
    "ClaimEncoder",
    "Column",
    "Columns",
    "claim_columns",
    "claim_frame",
    "is_category",
    "varying",
]

Matrix = npt.NDArray[np.float64]
Form = Literal["tree", "linear"]

MAX_CATEGORIES: Final = 64


def claim_frame(claims: Sequence[Claim], names: Sequence[str]) -> "pd.DataFrame":
    """`claim_columns` as a DataFrame: what cross-validation and grid search can index."""
    import pandas as pd  # noqa: PLC0415 - serving never builds a DataFrame

    return pd.DataFrame(claim_columns(claims, names))


def varying(columns: Columns) -> tuple[str, ...]:
    """Names of the columns that hold at least two different values, missing being one."""

    def distinct(name: str) -> int:
        if is_category(name):
            return len(set(plain_list(columns[name])))
        return len(np.unique(numbers(columns[name])))

    return tuple(name for name in columns if distinct(name) > 1)


class ClaimEncoder(TransformerMixin, BaseEstimator):
    """Turns columns of claims into a matrix of floats.

    Form *tree*: one column a feature, in the order of `features`: numbers as they are, categories
    as codes (unknown -1), missing NaN. Form *linear*: a category becomes one column for each known
    value and one for missing if training had any (unknown: all zero); a number is imputed by the
    median, scaled to zero mean and unit variance, and followed by a 0/1 column for missing if
    training had any. These are scikit-learn's OrdinalEncoder, OneHotEncoder, SimpleImputer and
    StandardScaler, which the tests compare with.

    Args:
        features: names of the columns to ask for.
        form: for trees or for linear models.
        max_categories: categories learnt for one feature; rarer ones count as unknown.
    """

    def __init__(
        self,
        features: Sequence[str] = DEFAULT_FEATURES,
        form: Form = "tree",
        max_categories: int = MAX_CATEGORIES,
    ) -> None:
        self.features = features
        self.form = form
        self.max_categories = max_categories

    def fit(self, X: "Columns | pd.DataFrame", y: Any = None) -> Self:
        """Learn categories and, for the linear form, medians, means and scales."""
        self.vocabularies_: dict[str, Vocabulary] = {
            name: Vocabulary(plain_list(X[name]), self.max_categories)
            for name in self.features
            if is_category(name)
        }
        if self.form == "linear":
            self.blocks_: dict[str, _Block] = {
                name: _CategoryBlock(self.vocabularies_[name], self._numbers(X, name))
                if name in self.vocabularies_
                else _NumberBlock(self._numbers(X, name))
                for name in self.features
            }
        return self

    def transform(self, X: "Columns | pd.DataFrame") -> Matrix:
        """The matrix: one row a claim, `get_feature_names_out` its columns.

        Raises:
            KeyError: X lacks a feature.
        """
        return self.from_codes(self.codes(X))

    def codes(self, X: "Columns | pd.DataFrame") -> Matrix:
        """The matrix of the tree form, whatever the form of the encoder."""
        columns = [self._numbers(X, name) for name in self.features]
        return np.array(columns, dtype=np.float64).T

    def from_codes(self, codes: Matrix) -> Matrix:
        """The encoder's own form of what `codes` gave."""
        if self.form == "tree":
            return codes
        blocks = zip(self.blocks_.values(), codes.T, strict=True)
        return np.concatenate([block.encode(column) for block, column in blocks], axis=1)

    def categories(self) -> dict[str, tuple[str, ...]]:
        """Categories learnt, by feature."""
        return {name: v.categories for name, v in self.vocabularies_.items()}

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the columns of the matrix."""
        if self.form == "tree":
            return np.array(self.features, dtype=object)
        names = [f"{name}{suffix}" for name, b in self.blocks_.items() for suffix in b.suffixes]
        return np.array(names, dtype=object)

    def _numbers(self, X: "Columns | pd.DataFrame", name: str) -> npt.NDArray[np.float64]:
        """One feature as numbers: of a category its codes."""
        vocabulary = self.vocabularies_.get(name)
        if vocabulary is None:
            return numbers(X[name])
        return vocabulary.codes(plain_list(X[name]))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vocabularies_")


class _NumberBlock:
    """Imputed and scaled number, and whether it was missing."""

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        present = values[~np.isnan(values)]
        self.median = float(np.median(present)) if len(present) else 0.0
        filled = np.where(np.isnan(values), self.median, values)
        self.mean = float(filled.mean())
        # The deviation of equal values may come out as a rounding error instead of 0.
        self.scale = float(filled.std()) if np.ptp(filled) > 0 else 1.0
        self.indicated = len(present) < len(values)
        self.suffixes = ("", "=missing") if self.indicated else ("",)

    def encode(self, values: npt.NDArray[np.float64]) -> Matrix:
        missing = np.isnan(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.scale
        return np.stack([scaled, missing], axis=1) if self.indicated else scaled[:, None]


class _CategoryBlock:
    """One column for each category, and one for missing."""

    def __init__(self, vocabulary: Vocabulary, codes: npt.NDArray[np.float64]) -> None:
        known = len(vocabulary.categories)
        indicated = bool(np.isnan(codes).any())
        self.suffixes = tuple(f"={c}" for c in vocabulary.categories)
        self.suffixes += ("=missing",) if indicated else ()
        # Rows: the categories, then missing, then unknown (reached as -1).
        self.rows = np.zeros((known + 2, known + indicated))
        np.fill_diagonal(self.rows[: known + indicated], 1.0)

    def encode(self, codes: npt.NDArray[np.float64]) -> Matrix:
        rows = np.where(np.isnan(codes), len(self.rows) - 2, codes).astype(np.intp)
        encoded: Matrix = self.rows[rows]
        return encoded


_Block = _NumberBlock | _CategoryBlock
