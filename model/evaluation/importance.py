"""What a model's figures lose without each of its features."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from model.arrays import Indices, Labels, Matrix, Scores
from model.compiled.classifier import Compiled
from model.compiled.fitted import compile_classifier
from model.features.facts import claim_columns
from model.training.left_out import screened
from schemas.contract.model import Contract

MOST_CLAIMS: Final = 4_000
REPEATS: Final = 3
"""Shuffles of a feature: the mean over them is reported."""


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """What two figures lose when a feature is shuffled among the claims."""

    feature: str
    roc_auc: float
    average_precision: float


def importance(
    contract: Contract,
    pipeline: Any,
    claims: Sequence[Any],
    labels: Labels,
    *,
    seed: int = 42,
    on_feature: Callable[[], None] = lambda: None,
) -> tuple[Importance, ...]:
    """Permutation importance of each feature in use (Breiman, "Random forests", 2001), by ROC AUC.

    On at most `MOST_CLAIMS` claims, drawn at random. Features that say the same thing share
    their importance: each loses little as long as the others are there.

    Args:
        contract: what the claims are.
        pipeline: fitted on other claims.
        claims: to test on.
        labels: of these claims, shape (n_claims,).
        seed: of the draw and of the shuffles.
        on_feature: called after each of the pipeline's features, for a progress bar.

    Returns:
        The most important feature first; empty if the claims drawn have one label only.
    """
    rng = np.random.default_rng(seed)
    rows = _drawn(rng, len(labels))
    y = labels[rows]
    if not 0 < y.sum() < len(y):
        return ()
    names = tuple(pipeline["encode"].features)
    columns = claim_columns(contract, [claims[i] for i in rows.tolist()], names)
    codes, model = pipeline["encode"].codes(columns), compile_classifier(pipeline["classify"])
    before, unused = _figures(y, model.probabilities(codes)), set(screened(pipeline))
    found = []
    for column, name in enumerate(names):
        if name not in unused:
            lost = before - np.mean([*_shuffled(model, codes, y, column, rng)], axis=0)
            found.append(
                Importance(feature=name, roc_auc=float(lost[0]), average_precision=float(lost[1]))
            )
        on_feature()
    return tuple(sorted(found, key=lambda one: (-one.roc_auc, one.feature)))


def _drawn(rng: np.random.Generator, n: int) -> Indices:
    return np.sort(rng.choice(n, min(n, MOST_CLAIMS), replace=False))


def _shuffled(
    model: Compiled, codes: Matrix, y: Labels, column: int, rng: np.random.Generator
) -> Iterator[Scores]:
    for _ in range(REPEATS):
        other = codes.copy()
        other[:, column] = rng.permutation(codes[:, column])
        yield _figures(y, model.probabilities(other))


def _figures(y: Labels, p: Scores) -> Scores:
    return np.array([roc_auc_score(y, p), average_precision_score(y, p)])
