"""Reads the model file of artifact format 1, in which classes have the names of former modules.

Only what stands here is ever looked up: the product's own classes, under the names they have now,
and what the three families consist of. Anything else in the file is refused before it is imported.
"""

import io
from typing import Any, Final

from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

RENAMED: Final = {
    ("model.crosses", "CrossEncoder"): "model.families.crosses",
    ("model.features", "ClaimEncoder"): "model.features.encoder",
    ("model.screen", "Screen"): "model.families.screen",
    ("model.vocabulary", "Vocabulary"): "model.features.vocabulary",
    ("model.vocabulary", "_Codes"): "model.features.vocabulary",
}
"""The present module of each class, by its former module and its name."""
_BOOSTING: Final = "sklearn.ensemble._hist_gradient_boosting"
UNCHANGED: Final = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pickle", "__generator_ctor"),
        ("numpy.random.bit_generator", "SeedSequence"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        ("sklearn._loss._loss", "CyHalfBinomialLoss"),
        ("sklearn._loss.link", "Interval"),
        ("sklearn._loss.link", "LogitLink"),
        ("sklearn._loss.loss", "HalfBinomialLoss"),
        (f"{_BOOSTING}.binning", "_BinMapper"),
        (f"{_BOOSTING}.gradient_boosting", "HistGradientBoostingClassifier"),
        (f"{_BOOSTING}.predictor", "TreePredictor"),
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
        ("sklearn.linear_model._logistic", "LogisticRegression"),
        ("sklearn.pipeline", "Pipeline"),
        ("sklearn.preprocessing._label", "LabelEncoder"),
        ("sklearn.tree._classes", "DecisionTreeClassifier"),
        ("sklearn.tree._tree", "Tree"),
    }
)
"""What else a model of format 1 consists of, by module and name."""


class ForeignError(Exception):
    """A model file contains something that no model of format 1 consists of."""


class _Numbers(NumpyArrayWrapper):
    """An array in the file: of numbers, since one of objects would be another pickle inside."""

    def read_array(self, unpickler: Any, ensure_native_byte_order: bool) -> Any:
        if self.dtype.hasobject:
            raise ForeignError("it contains an array of objects, which no model of format 1 does")
        return super().read_array(unpickler, ensure_native_byte_order)  # type: ignore[no-untyped-call]


class _Reader(NumpyUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _Numbers
        place = RENAMED.get((module, name))
        if place is None and (module, name) not in UNCHANGED:
            raise ForeignError(f"it contains {module}.{name}, which no model of format 1 does")
        return super().find_class(place or module, name)


def read_former(model: bytes) -> Any:
    """The pipeline in a model file of format 1.

    Raises:
        ForeignError: it contains something else as well; nothing of that was imported.
        Exception: it is damaged.
    """
    reader: Any = _Reader("", io.BytesIO(model), ensure_native_byte_order=True)  # type: ignore[no-untyped-call]
    return reader.load()
