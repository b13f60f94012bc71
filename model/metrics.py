"""Quality of probabilities: pure functions of labels and scores."""

from typing import Final

import msgspec
import numpy as np

from model.arrays import Labels, Scores

DEFAULT_THRESHOLD: Final = 0.5
_NORMAL_95: Final = 1.96


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one evaluation. Shares are between 0 and 1.

    `roc_auc`, `average_precision` and the recalls are None if the labels leave them
    undefined: without a fraud, or (the first) without an honest claim.
    """

    n: int
    fraud_rate: float
    threshold: float
    accuracy: float
    roc_auc: float | None
    average_precision: float | None
    brier: float
    recall_at_5pct: float | None
    recall_at_10pct: float | None
    precision: float
    """Share of fraud among claims at or above the threshold; 0 if there are none."""
    recall: float
    f1: float


def recall_at(y: Labels, p: Scores, share: float) -> float | None:
    """Share of the frauds found among the highest-scoring `share` of the claims.

    The budget is `share * n` claims, not rounded. In practice, claims tied at the cut are chosen at
    random, so they count with their expected share of frauds: the order of the rows
    does not matter.

    Args:
        y: labels, shape (n_claims,), 1 is fraud.
        p: fraud probabilities, shape (n_claims,).
        share: of the claims that can be examined, in (0, 1].

    Returns:
        None if there are no frauds.
    """
    frauds = int(y.sum())
    if frauds == 0:
        return None
    budget = share * len(y)
    levels, group = np.unique(-p, return_inverse=True)
    sizes = np.bincount(group, minlength=len(levels))
    taken = np.clip(budget - (np.cumsum(sizes) - sizes), 0, sizes) / sizes
    return float(np.bincount(group, weights=y, minlength=len(levels)) @ taken / frauds)


def evaluate(y: Labels, p: Scores, threshold: float = DEFAULT_THRESHOLD) -> Report:
    """Compare fraud probabilities with the actual outcomes of the claims.

    Args:
        y: labels, shape (n_claims,), 1 is fraud.
        p: fraud probabilities, shape (n_claims,).
        threshold: claims at or above it count as referred.

    Raises:
        ValueError: no claims, different lengths, or a probability outside [0, 1].
    """
    # A worker knows the report of its model's manifest, and makes none.
    from sklearn.metrics import (  # noqa: PLC0415
        average_precision_score,
        brier_score_loss,
        roc_auc_score,
    )

    _check(y, p)
    frauds, referred = y == 1, p >= threshold
    hits = int((frauds & referred).sum())
    both = int(frauds.sum()) + int(referred.sum())
    return Report(
        n=len(y),
        fraud_rate=float(frauds.mean()),
        threshold=float(threshold),
        accuracy=float((frauds == referred).mean()),
        roc_auc=float(roc_auc_score(y, p)) if 0 < frauds.sum() < len(y) else None,
        average_precision=float(average_precision_score(y, p)) if frauds.any() else None,
        brier=float(brier_score_loss(y, p, pos_label=1)),
        recall_at_5pct=recall_at(y, p, 0.05),
        recall_at_10pct=recall_at(y, p, 0.10),
        precision=hits / int(referred.sum()) if referred.any() else 0.0,
        recall=hits / int(frauds.sum()) if frauds.any() else 0.0,
        f1=2 * hits / both if both else 0.0,
    )


def auc_interval(y: Labels, p: Scores) -> tuple[float, float] | None:
    """95 % interval of the ROC AUC, within 0 to 1.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", Biometrics 1988.

    Returns:
        None with fewer than two claims of either label.
    """
    frauds, honest = np.sort(p[y == 1]), np.sort(p[y != 1])
    if min(len(frauds), len(honest)) < 2:
        return None
    # For each claim, the share of the claims with the other label that it is in the right order to.
    above, below = _share_below(frauds, honest), 1 - _share_below(honest, frauds)
    variance = above.var(ddof=1) / len(frauds) + below.var(ddof=1) / len(honest)
    middle, reach = float(above.mean()), _NORMAL_95 * float(np.sqrt(variance))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _share_below(scores: Scores, others: Scores) -> Scores:
    """For each score, the share of the sorted others below it; ties count half."""
    places = np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")
    found: Scores = places / (2 * len(others))
    return found


def _check(y: Labels, p: Scores) -> None:
    if len(y) == 0:
        raise ValueError("no claims to evaluate on")
    if y.shape != p.shape:
        raise ValueError(f"{len(y)} labels but {len(p)} probabilities")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a probability is outside [0, 1]")
