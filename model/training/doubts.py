"""What makes the figures of a trained model too weak to put it into service by them."""

from collections.abc import Iterator
from typing import Final

from model.arrays import Labels, Scores
from model.metrics import auc_interval
from model.training.budgets import Chosen, unused_budget

FEWEST_TRAINED: Final = 50
"""Frauds to learn from. The threshold is chosen on five folds: with fewer,
each has less than ten."""
FEWEST_TESTED: Final = 15
"""Frauds to test on. With 15, a recall of one half is known within a quarter either way (95 %)."""
CHANCE: Final = 0.5
"""ROC AUC of a model that knows nothing."""
MOST_REFERRED: Final = 0.5
"""Share of claims: whoever investigates every second claim needs no model to select them."""


def doubts(trained_frauds: int, labels: Labels, scores: Scores, chosen: Chosen) -> tuple[str, ...]:
    """Each doubt as a sentence; () if there is none.

    Args:
        trained_frauds: among the training claims.
        labels: of the test claims, shape (n_claims,).
        scores: of the test claims.
        chosen: claims at or above this threshold are referred.
    """
    return (
        *_frauds(trained_frauds, int(labels.sum())),
        *_ranking(labels, scores),
        *_referrals(scores, chosen),
    )


def _frauds(trained: int, tested: int) -> Iterator[str]:
    if trained < FEWEST_TRAINED:
        yield f"only {trained} frauds to learn from; {FEWEST_TRAINED} are the fewest"
    if tested < FEWEST_TESTED:
        yield f"only {tested} frauds to test on; {FEWEST_TESTED} are the fewest"


def _ranking(labels: Labels, scores: Scores) -> Iterator[str]:
    interval = auc_interval(labels, scores)
    if interval is not None and interval[0] <= CHANCE:
        yield (
            f"the ROC AUC on the test claims may be chance: its 95 % interval is {interval[0]:.3f} "
            f"to {interval[1]:.3f}"
        )


def _referrals(scores: Scores, chosen: Chosen) -> Iterator[str]:
    threshold, held_out = chosen.threshold, chosen.reference
    tested, trained = (float((p >= threshold).mean()) for p in (scores, held_out))
    unused = unused_budget(chosen)
    if trained == 0 and unused is not None:
        yield unused
    elif tested == trained == 0:
        yield (
            f"the threshold {threshold:.4f} refers nobody: the highest score is "
            f"{max(scores.max(), held_out.max()):.4f}; --alert-share sets it by a budget"
        )
    if max(tested, trained) >= MOST_REFERRED:
        yield (
            f"the threshold {threshold:.4f} refers {max(tested, trained):.0%} of the claims; "
            "--alert-share sets it by a budget"
        )
