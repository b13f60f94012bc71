"""Leak alarm: signs that a model learns how the data was made rather than what fraud is.

Checked on the training claims only, by cross-validation (`model.leaks.signs`):

* *permuted labels*: with shuffled labels there is nothing to learn. A ROC AUC that differs from one
  half by more than `CHANCE` standard errors means that the protocol itself leaks.
* *metadata*: identifiers, file order and calendar should reveal nothing about fraud. One of them
  leaks if alone it beats chance by a ROC AUC of more than `METADATA_MARGIN` (and `CHANCE` standard
  errors); an identifier or the file order also if it adds as much to the calendar or to the honest
  features. PolicyNumber of fraud_oracle reveals nothing alone and nearly everything together with
  the month.
* *a field that is not a feature by default* (personal, protected) leaks if it adds as much to those
  that are. The hobbies of insurance_claims do.
* *an identifier among the features* always leaks, however little it reveals here.
* *a single feature* that alone reaches `SINGLE_LIMIT`: hardly any single fact known at first notice
  predicts fraud that well.

Metadata that is a feature and leaks stops the training. Metadata that leaks without being a feature
does not favour any model, as none sees it; it is a warning that a random split is too optimistic,
for example because labels came late in some months. See the decision record on leaks.
"""

import shlex
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from model.arrays import Indices, Labels
from model.datasets.duplicates import group_labels
from model.leaks.lift import margin
from model.leaks.signs import PERMUTED, LeakFinding, looks
from schemas.contract.model import Contract

__all__ = ["LeakCheck", "LeakError", "LeakFinding", "check"]

MAX_CLAIMS: Final = 20_000
"""Above this, a stratified sample of the claims is checked, in their order."""


class LeakCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The leak alarm's checks and findings; training continued afterwards."""

    claims: int
    """Number of claims checked."""
    margin: float
    """Lift of the ROC AUC above which metadata and unusual features are a finding."""
    findings: tuple[LeakFinding, ...]
    """Warnings, and fatal findings that were allowed."""
    allowed: tuple[str, ...] = ()
    """Columns that were examined and are accepted nevertheless."""

    def with_more(self, found: Sequence[LeakFinding]) -> "LeakCheck":
        """The check with findings of another one that were allowed."""
        return msgspec.structs.replace(self, findings=(*self.findings, *found))

    def warnings(self) -> list[str]:
        """Notes for the person training the model, one line each."""
        unseen = [f.column for f in self.findings if not f.fatal]
        told = [f"allowed: {f.text}" for f in self.findings if f.fatal]
        if unseen:
            told.append(
                f"{', '.join(unseen)} distinguish fraud from other claims. The model does not use "
                "them, but a random split may be too optimistic: see the model card"
            )
        return told


class LeakError(ValueError):
    """Training was stopped by the leak alarm; the message names the columns."""


def check(
    contract: Contract,
    claims: Sequence[Any],
    labels: Labels,
    groups: Indices,
    features: Sequence[str],
    *,
    allowed: Collection[str] = (),
    known: Collection[str] = (),
    seed: int = 42,
    most: int = MAX_CLAIMS,
    on_look: Callable[[int, int], None] = lambda _done, _total: None,
) -> LeakCheck | None:
    """Check for leaks; non-fatal findings are returned.

    Args:
        contract: what the claims are.
        claims: the training claims, in the order of their file.
        labels: their labels, shape (n_claims,).
        groups: of copies, shape (n_claims,).
        features: columns the model may see.
        allowed: names of columns that were examined and are accepted nevertheless.
        known: further names that may be allowed: of what is checked elsewhere.
        seed: of folds, shuffling and models.
        most: if there are more claims, a sample of so many is checked.
        on_look: called with (checks done, checks in total), for a progress bar.

    Returns:
        None if there are fewer than two claims with either label, counting copies once: nothing can
        be learnt, so nothing leaks.

    Raises:
        LeakError: a feature that is not in ``allowed`` leaks.
        ValueError: a name in ``allowed`` is not a feature.
    """
    _refuse_unknown(allowed, {*features, *known})
    _, groups = np.unique(groups, return_inverse=True)
    if np.bincount(group_labels(labels, groups), minlength=2).min() < 2:
        return None
    rows = _sample(labels, most, seed)
    sampled = [claims[i] for i in rows.tolist()]
    _, groups = np.unique(groups[rows], return_inverse=True)
    every = looks(contract, sampled, labels[rows], groups, features, seed)
    found = []
    for number, look in enumerate(every, start=1):
        finding = look()
        found += [] if finding is None else [finding]
        on_look(number, len(every))
    _refuse([f for f in found if f.fatal and f.column not in allowed])
    return LeakCheck(
        claims=len(rows),
        margin=margin(group_labels(labels[rows], groups)),
        findings=tuple(found),
        allowed=tuple(sorted(allowed)),
    )


def _refuse_unknown(allowed: Collection[str], features: Collection[str]) -> None:
    unknown = sorted({*allowed} - {*features, PERMUTED})
    if unknown:
        raise ValueError(f"--allow-leak {shlex.quote(unknown[0])}: the model has no such feature")


def _sample(labels: Labels, most: int, seed: int) -> npt.NDArray[np.int64]:
    rows = np.arange(len(labels))
    if len(rows) > most:
        rows, _ = train_test_split(rows, train_size=most, random_state=seed, stratify=labels)
    return np.sort(rows)


def _refuse(fatal: Sequence[LeakFinding]) -> None:
    if not fatal:
        return
    told = "; ".join(finding.text for finding in fatal)
    columns = dict.fromkeys(finding.column for finding in fatal)
    names = " ".join(f"--allow-leak {shlex.quote(column)}" for column in columns)
    raise LeakError(f"{told}. Leave it out, or, if it is intended: {names}")
