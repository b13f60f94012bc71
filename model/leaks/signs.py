"""Signs of a leak, measured by cross-validation on the training claims. Pure.

`model.leaks.check` explains what each sign means and which of them stop the training.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

import msgspec
import numpy as np

from model.arrays import Indices, Labels, Matrix
from model.datasets.duplicates import group_labels, groups_of
from model.features.columns import DERIVED
from model.leaks.lift import CHANCE, chance_error, cross_validated, encoded, margin
from schemas.claim import Claim, Role, fields_by_role, role_of

SINGLE_LIMIT: Final = 0.9
"""ROC AUC that no single honest feature is expected to reach alone."""
PERMUTED: Final = "permuted labels"
_FILE_ORDER: Final = "file order"
_IDENTIFIERS: Final = fields_by_role(Role.IDENTIFIER)
_ORDERED: Final = frozenset({_FILE_ORDER, *_IDENTIFIERS})
_METADATA: Final = (*_IDENTIFIERS, *fields_by_role(Role.TIME))


class LeakFinding(msgspec.Struct, frozen=True):
    """One sign of a leak."""

    column: str
    roc_auc: float
    fatal: bool
    """True if training must stop, unless the column is allowed by name."""
    text: str


Look = Callable[[], LeakFinding | None]


def looks(
    claims: Sequence[Claim], labels: Labels, features: Sequence[str], seed: int
) -> list[Look]:
    """All checks for signs, not run yet: each takes one to three small fits per fold.

    Args:
        claims: the training claims, in the order of their file.
        labels: their labels, shape (n_claims,); at least two of each.
        features: columns the model may see.
        seed: of folds, shuffling and models.
    """
    X, groups = encoded(claims, features), groups_of(claims)
    told = _Labelled(labels, seed, groups)
    shuffled = _Labelled(np.random.default_rng(seed).permutation(labels), seed, groups)
    return [
        *_metadata_looks(claims, told, features),
        *_unusual_looks(X, told, features),
        partial(_permuted, X, shuffled),
        *(partial(_single, X[:, [i]], told, name) for i, name in enumerate(features)),
    ]


class _Labelled(NamedTuple):
    """Labels of the claims, and the folds to predict them in."""

    labels: Labels
    seed: int
    groups: Indices

    def auc(self, X: Matrix) -> float:
        """ROC AUC of predicting the labels from the columns."""
        return cross_validated(X, self.labels, self.seed, self.groups)

    def margin(self) -> float:
        """Lift that is not considered chance; copies count as one claim."""
        return margin(group_labels(self.labels, self.groups))


def _metadata_looks(
    claims: Sequence[Claim], told: _Labelled, features: Sequence[str]
) -> list[Look]:
    metadata = _metadata_columns(claims)
    backgrounds = {
        "alone": np.empty((len(claims), 0)),
        "with the calendar": _calendar_of(metadata, len(claims)),
        "with the features": encoded(claims, [n for n in features if n not in _METADATA]),
    }
    usual = cache(lambda how: told.auc(backgrounds[how]))

    def look(name: str) -> LeakFinding | None:
        lifts = {
            how: told.auc(np.column_stack([X, metadata[name]])) - usual(how)
            for how, X in backgrounds.items()
            # Dates add to features the information in their differences, which is not a leak.
            if how == "alone" or name in _ORDERED
        }
        how = max(lifts, key=lambda h: lifts[h])
        return _lifted(name, how, lifts[how], usual(how), told, fatal=name in features)

    return [partial(look, name) for name in metadata]


def _unusual_looks(X: Matrix, told: _Labelled, features: Sequence[str]) -> list[Look]:
    """Checks for fields that are not features by default: what they add to those that are."""
    unusual = [name not in DERIVED and role_of(name) is not Role.FEATURE for name in features]
    ordinary = X[:, ~np.array(unusual, dtype=bool)]
    usual = cache(lambda: told.auc(ordinary))

    def look(name: str, column: Matrix) -> LeakFinding | None:
        lift = told.auc(np.column_stack([ordinary, column])) - usual()
        return _lifted(name, "with the other features", lift, usual(), told, fatal=True)

    return [
        partial(look, name, X[:, i])
        for i, name in enumerate(features)
        if unusual[i] and name not in _METADATA
    ]


def _lifted(
    name: str, how: str, lift: float, usual: float, told: _Labelled, *, fatal: bool
) -> LeakFinding | None:
    if lift <= told.margin():
        return None
    text = f"{name} predicts the label {how}: ROC AUC {usual + lift:.3f}, without it {usual:.3f}"
    return LeakFinding(name, usual + lift, fatal, text)


def _metadata_columns(claims: Sequence[Claim]) -> dict[str, Matrix]:
    """Metadata that varies, by name, each of shape (n_claims,)."""
    columns = dict(zip(_METADATA, encoded(claims, _METADATA).T, strict=True)) | _calendar(claims)
    columns[_FILE_ORDER] = np.arange(len(claims), dtype=np.float64)
    return {name: column for name, column in columns.items() if len(np.unique(column)) > 1}


def _calendar_of(metadata: dict[str, Matrix], rows: int) -> Matrix:
    """The calendar: everything that is neither an identifier nor the file order."""
    calendar = [column for name, column in metadata.items() if name not in _ORDERED]
    return np.column_stack(calendar) if calendar else np.empty((rows, 0))


def _permuted(X: Matrix, shuffled: _Labelled) -> LeakFinding | None:
    auc = shuffled.auc(X)
    if abs(auc - 0.5) <= CHANCE * chance_error(shuffled.labels):
        return None
    text = f"randomly shuffled labels are predicted with ROC AUC {auc:.3f}"
    return LeakFinding(PERMUTED, auc, True, text)


def _single(column: Matrix, told: _Labelled, name: str) -> LeakFinding | None:
    auc = told.auc(column)
    if name in _IDENTIFIERS:
        text = f"{name} identifies a record or a person: what is learnt from it holds for no other"
        return LeakFinding(name, auc, True, text)
    if auc < SINGLE_LIMIT:
        return None
    return LeakFinding(name, auc, True, f"{name} alone predicts the label with ROC AUC {auc:.3f}")


def _calendar(claims: Sequence[Claim]) -> dict[str, Matrix]:
    found = {}
    for name in fields_by_role(Role.TIME):
        days = [getattr(claim, name) for claim in claims]
        months = [np.nan if day is None else day.month for day in days]
        found[f"month of {name}"] = np.array(months, dtype=np.float64)
    return found
