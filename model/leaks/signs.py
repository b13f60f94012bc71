"""Signs of a leak, measured by cross-validation on the training claims. Pure.

`model.leaks.check` explains what each sign means and which of them stop the training.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from model.arrays import Indices, Labels, Matrix
from model.datasets.duplicates import group_labels
from model.leaks.lift import CHANCE, chance_error, cross_validated, encoded, margin, numbered
from schemas.claim import Role
from schemas.contract.model import Contract

SINGLE_LIMIT: Final = 0.9
"""ROC AUC that no single honest feature is expected to reach alone."""
PERMUTED: Final = "permuted labels"
_FILE_ORDER: Final = "file order"


class LeakFinding(msgspec.Struct, frozen=True):
    """One sign of a leak."""

    column: str
    roc_auc: float
    fatal: bool
    """True if training must stop, unless the column is allowed by name."""
    text: str


Look = Callable[[], LeakFinding | None]


def looks(
    contract: Contract,
    claims: Sequence[Any],
    labels: Labels,
    groups: Indices,
    features: Sequence[str],
    seed: int,
) -> list[Look]:
    """All checks for signs, not run yet: each takes one to three small fits per fold.

    Args:
        contract: what the claims are.
        claims: the training claims, in the order of their file.
        labels: their labels, shape (n_claims,); at least two of each.
        groups: of copies, shape (n_claims,), numbered from 0.
        features: columns the model may see.
        seed: of folds, shuffling and models.
    """
    X = encoded(contract, claims, features)
    told = _Labelled(labels, seed, groups)
    shuffled = _Labelled(np.random.default_rng(seed).permutation(labels), seed, groups)
    identifiers = contract.with_role(Role.IDENTIFIER)
    return [
        *_metadata_looks(contract, claims, told, features),
        *_unusual_looks(contract, X, told, features),
        partial(_permuted, X, shuffled),
        *(
            partial(_single, X[:, [i]], told, name, identifies=name in identifiers)
            for i, name in enumerate(features)
        ),
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
    contract: Contract, claims: Sequence[Any], told: _Labelled, features: Sequence[str]
) -> list[Look]:
    metadata = _metadata_columns(contract, claims)
    ordered = {_FILE_ORDER, *contract.with_role(Role.IDENTIFIER)}
    honest = [name for name in features if name not in _metadata(contract)]
    backgrounds = {
        "alone": np.empty((len(claims), 0)),
        "with the calendar": _calendar_of(metadata, ordered, len(claims)),
        "with the features": encoded(contract, claims, honest),
    }
    usual = cache(lambda how: told.auc(backgrounds[how]))

    def look(name: str) -> LeakFinding | None:
        lifts = {
            how: told.auc(np.column_stack([X, metadata[name]])) - usual(how)
            for how, X in backgrounds.items()
            # Dates add to features the information in their differences, which is not a leak.
            if how == "alone" or name in ordered
        }
        how = max(lifts, key=lambda h: lifts[h])
        return _lifted(name, how, lifts[how], usual(how), told, fatal=name in features)

    return [partial(look, name) for name in metadata]


def _unusual_looks(
    contract: Contract, X: Matrix, told: _Labelled, features: Sequence[str]
) -> list[Look]:
    """Checks for fields that are not features by default: what they add to those that are."""
    unusual = [
        name not in contract.derived and contract.fields[name].role is not Role.FEATURE
        for name in features
    ]
    metadata = _metadata(contract)
    ordinary = X[:, ~np.array(unusual, dtype=bool)]
    usual = cache(lambda: told.auc(ordinary))

    def look(name: str, column: Matrix) -> LeakFinding | None:
        lift = told.auc(np.column_stack([ordinary, column])) - usual()
        return _lifted(name, "with the other features", lift, usual(), told, fatal=True)

    return [
        partial(look, name, X[:, i])
        for i, name in enumerate(features)
        if unusual[i] and name not in metadata
    ]


def _lifted(
    name: str, how: str, lift: float, usual: float, told: _Labelled, *, fatal: bool
) -> LeakFinding | None:
    if lift <= told.margin():
        return None
    text = f"{name} predicts the label {how}: ROC AUC {usual + lift:.3f}, without it {usual:.3f}"
    return LeakFinding(name, usual + lift, fatal, text)


def _metadata(contract: Contract) -> tuple[str, ...]:
    """Fields that say which claim it is, or when it happened."""
    return (*contract.with_role(Role.IDENTIFIER), *contract.with_role(Role.TIME))


def _metadata_columns(contract: Contract, claims: Sequence[Any]) -> dict[str, Matrix]:
    """Metadata that varies, by name, each of shape (n_claims,)."""
    names = _metadata(contract)
    columns = dict(zip(names, numbered(contract, claims, names).T, strict=True))
    columns |= _calendar(contract, claims)
    columns[_FILE_ORDER] = np.arange(len(claims), dtype=np.float64)
    return {name: column for name, column in columns.items() if len(np.unique(column)) > 1}


def _calendar_of(metadata: dict[str, Matrix], ordered: Collection[str], rows: int) -> Matrix:
    """The calendar: everything that is neither an identifier nor the file order."""
    calendar = [column for name, column in metadata.items() if name not in ordered]
    return np.column_stack(calendar) if calendar else np.empty((rows, 0))


def _permuted(X: Matrix, shuffled: _Labelled) -> LeakFinding | None:
    auc = shuffled.auc(X)
    if abs(auc - 0.5) <= CHANCE * chance_error(shuffled.labels):
        return None
    text = f"randomly shuffled labels are predicted with ROC AUC {auc:.3f}"
    return LeakFinding(PERMUTED, auc, True, text)


def _single(column: Matrix, told: _Labelled, name: str, *, identifies: bool) -> LeakFinding | None:
    auc = told.auc(column)
    if identifies:
        text = f"{name} identifies a record or a person: what is learnt from it holds for no other"
        return LeakFinding(name, auc, True, text)
    if auc < SINGLE_LIMIT:
        return None
    return LeakFinding(name, auc, True, f"{name} alone predicts the label with ROC AUC {auc:.3f}")


def _calendar(contract: Contract, claims: Sequence[Any]) -> dict[str, Matrix]:
    found = {}
    for name in contract.with_role(Role.TIME):
        days = [getattr(claim, name) for claim in claims]
        months = [np.nan if day is None else day.month for day in days]
        found[f"month of {name}"] = np.array(months, dtype=np.float64)
    return found
