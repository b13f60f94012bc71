"""Leak alarm: signs that a model learns how the data was made and not what fraud is.

Checked on the training claims only, by cross-validation:

* *permuted labels*: with labels shuffled there is nothing to learn. A ROC AUC away from one half
  by more than `CHANCE` standard errors means that the protocol itself leaks.
* *metadata*: identifiers, file order and calendar should tell nothing of fraud. One of them leaks
  if alone it beats chance by a ROC AUC of more than `METADATA_MARGIN` (and `CHANCE` standard
  errors), an identifier or the file order also if it adds as much to the calendar or to the honest
  features. PolicyNumber of
  fraud_oracle tells nothing alone and nearly everything together with the month.
* *a single feature* that alone reaches `SINGLE_LIMIT`: hardly any one fact known at first notice
  tells fraud that well.

Metadata that is a feature and leaks stops the training. Metadata that leaks without being a feature
flatters no model, as none sees it; it is a warning that a random split is too kind, because labels
came late in some months, say. See the decision record on leaks.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.tree import DecisionTreeClassifier

from model.columns import claim_columns
from model.features import ClaimEncoder
from schemas.claim import Claim, Role, fields_by_role

Labels = npt.NDArray[np.int8]
Matrix = npt.NDArray[np.float64]

METADATA_MARGIN: Final = 0.05
"""ROC AUC: by so much may a piece of metadata beat what is known without it."""
CHANCE: Final = 4.0
"""Standard errors of the ROC AUC: what is nearer to chance is taken for chance."""
SINGLE_LIMIT: Final = 0.9
"""ROC AUC of one feature alone that no honest feature is expected to reach."""
FOLDS: Final = 3
MAX_CLAIMS: Final = 20_000
"""Of more claims a stratified sample is checked, in their order."""
_MISSING: Final = -1e9
"""Stands for missing: columns may be all missing, which boosting does not take as NaN."""

_FILE_ORDER: Final = "file order"
_ORDERED: Final = frozenset({_FILE_ORDER, *fields_by_role(Role.IDENTIFIER)})
_METADATA: Final = (*fields_by_role(Role.IDENTIFIER), *fields_by_role(Role.TIME))


class Finding(NamedTuple):
    """One sign of a leak."""

    column: str
    roc_auc: float
    fatal: bool
    """Whether training must stop."""
    text: str


class LeakError(ValueError):
    """Training was stopped by the leak alarm; the message names the columns."""


def check(
    claims: Sequence[Claim],
    labels: Labels,
    features: Sequence[str],
    *,
    allowed: Collection[str] = (),
    seed: int = 42,
) -> list[Finding]:
    """Look for leaks; what is found but not fatal is returned as warnings.

    Args:
        claims: the training claims, in the order of their file.
        labels: theirs, shape (n_claims,).
        features: columns the model may see.
        allowed: names of columns that were looked into and are wanted all the same.
        seed: of folds, shuffling and models.

    Raises:
        LeakError: a feature leaks that is not in ``allowed``.
    """
    rows = np.arange(len(claims))
    if len(claims) > MAX_CLAIMS:
        rows, _ = train_test_split(rows, train_size=MAX_CLAIMS, random_state=seed, stratify=labels)
        rows.sort()
    sample = [claims[i] for i in rows.tolist()]
    found = list(findings(sample, labels[rows], features, seed=seed))
    fatal = [f for f in found if f.fatal and f.column not in allowed]
    if fatal:
        told = "; ".join(f.text for f in fatal)
        names = " ".join(f"--allow-leak {f.column}" for f in fatal)
        raise LeakError(f"{told}. Leave it out, or if it is meant: {names}")
    return found


def findings(
    claims: Sequence[Claim], labels: Labels, features: Sequence[str], *, seed: int = 42
) -> Iterable[Finding]:
    """Every sign of a leak, fatal or not."""
    yield from _metadata(claims, labels, features, seed)
    X = _encoded(claims, features)
    yield from _permuted(X, labels, seed)
    yield from _single(X, labels, features, seed)


def _metadata(
    claims: Sequence[Claim], labels: Labels, features: Sequence[str], seed: int
) -> Iterable[Finding]:
    metadata = _metadata_columns(claims)
    backgrounds = {
        "alone": np.empty((len(claims), 0)),
        "with the calendar": _calendar_of(metadata, len(claims)),
        "with the features": _encoded(claims, [n for n in features if n not in _METADATA]),
    }
    usual = {how: _auc(X, labels, seed) for how, X in backgrounds.items()}
    for name, column in metadata.items():
        lifts = {
            how: _auc(np.column_stack([X, column]), labels, seed) - usual[how]
            for how, X in backgrounds.items()
            # Dates add to features what their differences tell, which is no leak.
            if how == "alone" or name in _ORDERED
        }
        how = max(lifts, key=lambda h: lifts[h])
        if lifts[how] > max(METADATA_MARGIN, CHANCE * chance_error(labels)):
            auc = usual[how] + lifts[how]
            text = f"{name} tells the label {how}: ROC AUC {auc:.3f}, without it {usual[how]:.3f}"
            yield Finding(name, auc, name in features, text)


def _metadata_columns(claims: Sequence[Claim]) -> dict[str, Matrix]:
    """Metadata that varies, by name, each of shape (n_claims,)."""
    columns = dict(zip(_METADATA, _encoded(claims, _METADATA).T, strict=True)) | _calendar(claims)
    columns[_FILE_ORDER] = np.arange(len(claims), dtype=np.float64)
    return {name: column for name, column in columns.items() if len(np.unique(column)) > 1}


def _calendar_of(metadata: dict[str, Matrix], rows: int) -> Matrix:
    """The calendar: all that is neither an identifier nor the file order."""
    calendar = [column for name, column in metadata.items() if name not in _ORDERED]
    return np.column_stack(calendar) if calendar else np.empty((rows, 0))


def _permuted(X: Matrix, labels: Labels, seed: int) -> Iterable[Finding]:
    shuffled = np.random.default_rng(seed).permutation(labels)
    auc = _auc(X, shuffled, seed)
    if abs(auc - 0.5) > CHANCE * chance_error(labels):
        text = f"labels shuffled at random are told with ROC AUC {auc:.3f}"
        yield Finding("permuted labels", auc, True, text)


def _single(X: Matrix, labels: Labels, features: Sequence[str], seed: int) -> Iterable[Finding]:
    for column, name in enumerate(features):
        auc = _auc(X[:, [column]], labels, seed)
        if auc >= SINGLE_LIMIT:
            text = f"{name} alone tells the label with ROC AUC {auc:.3f}"
            yield Finding(name, auc, True, text)


def chance_error(labels: Labels) -> float:
    """Standard error of the ROC AUC of scores that know nothing.

    That of the Mann-Whitney statistic without ties: ``sqrt((m + n + 1) / (12 m n))``.
    """
    m = int(labels.sum())
    n = len(labels) - m
    return float(np.sqrt((m + n + 1) / (12 * m * n)))


def _auc(X: Matrix, labels: Labels, seed: int) -> float:
    """ROC AUC on claims not fitted to: of boosting, or for a single column of a tree."""
    if X.shape[1] == 0:
        return 0.5
    model = (
        DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=20, random_state=seed)
        if X.shape[1] == 1
        else HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=31, early_stopping=False)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    known = np.where(np.isnan(X), _MISSING, X)
    scores = cross_val_predict(model, known, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def _encoded(claims: Sequence[Claim], features: Sequence[str]) -> Matrix:
    columns = claim_columns(claims, features)
    return ClaimEncoder(tuple(features)).fit(columns).transform(columns)


def _calendar(claims: Sequence[Claim]) -> dict[str, Matrix]:
    found = {}
    for name in fields_by_role(Role.TIME):
        days = [getattr(claim, name) for claim in claims]
        months = [np.nan if day is None else day.month for day in days]
        found[f"month of {name}"] = np.array(months, dtype=np.float64)
    return found
