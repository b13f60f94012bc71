"""Predictive power of columns beyond chance: cross-validated ROC AUC of small models."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from model.arrays import Indices, Labels, Matrix
from model.features.encoder import ClaimEncoder
from model.features.facts import Columns, claim_columns
from model.training.extremes import LARGEST, refuse_extremes
from model.training.splits import stratified_folds
from schemas.contract.model import Contract

METADATA_MARGIN: Final = 0.05
"""Maximum gain in ROC AUC that metadata may add to what is known without it."""
CHANCE: Final = 4.0
"""Standard errors of the ROC AUC: anything closer to chance is considered chance."""
FOLDS: Final = 3
_MISSING: Final = -1e9
"""Stands for missing: columns may be entirely missing, which boosting rejects as NaN."""


def margin(labels: Labels) -> float:
    """Lift of the ROC AUC that is not considered chance."""
    return max(METADATA_MARGIN, CHANCE * chance_error(labels))


def chance_error(labels: Labels) -> float:
    """Standard error of the ROC AUC of uninformative scores.

    That of the Mann-Whitney statistic without ties: ``sqrt((m + n + 1) / (12 m n))``.
    """
    m = int(labels.sum())
    n = len(labels) - m
    return float(np.sqrt((m + n + 1) / (12 * m * n)))


def cross_validated(X: Matrix, labels: Labels, seed: int, groups: Indices) -> float:
    """ROC AUC on held-out claims: of boosting, or of a tree for a single column.

    Args:
        X: shape (n_claims, n_columns); without columns the result is chance.
        labels: shape (n_claims,), at least two of each.
        seed: of the folds.
        groups: of copies, shape (n_claims,): each is in one fold.
    """
    if X.shape[1] == 0:
        return 0.5
    model = (
        DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=20, random_state=seed)
        if X.shape[1] == 1
        else HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=31, early_stopping=False)
    )
    folds = stratified_folds(labels, FOLDS, seed, groups)
    known = np.where(np.isnan(X), _MISSING, X)
    with threadpool_limits(1):
        scores = cross_val_predict(model, known, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def encoded(contract: Contract, claims: Sequence[Any], features: Sequence[str]) -> Matrix:
    """The columns as numbers, shape (n_claims, n_features); NaN is missing.

    Raises:
        ValueError: as `refuse_extremes`.
    """
    columns = claim_columns(contract, claims, features)
    refuse_extremes(contract, claims, columns)
    return _encoded(contract, columns)


def numbered(contract: Contract, claims: Sequence[Any], metadata: Sequence[str]) -> Matrix:
    """As `encoded`, of fields that no model sees: the digits of an identifier make any number."""
    columns = claim_columns(contract, claims, metadata)
    return np.clip(_encoded(contract, columns), -LARGEST, LARGEST)


def _encoded(contract: Contract, columns: Columns) -> Matrix:
    categorical = [name for name in columns if contract.is_category(name)]
    return ClaimEncoder(tuple(columns), categorical).fit(columns).transform(columns)
