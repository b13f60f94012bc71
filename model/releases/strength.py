"""Whether a model ranks claims worse than the one that it would replace."""

import os
from pathlib import Path
from typing import Final

from model.artifact.manifest import Manifest
from model.artifact.store import ArtifactError, described, format_of
from model.metrics import Report

_FIGURES: Final = {"roc_auc": "ROC AUC", "average_precision": "average precision"}


def compared(current: Path, version: str, new: Manifest) -> str | None:
    """What to say before a promotion: the model is weaker, or this cannot be known.

    Args:
        current: the folder in service, or the link to it.
        version: what the new model is called.
        new: its description.

    Returns:
        None if there is no model in service, or the new one is at least as good by both figures.
    """
    if not os.path.lexists(current):
        return None
    folder = current.resolve()
    called = folder.name if folder.parent == current.parent.resolve() else folder
    try:
        _, present = described(folder, format_of(folder))
    except ArtifactError as error:
        return f"{version} cannot be compared with the model in service: {error}"
    both = _both(new.metrics, present.metrics)
    if not _on_same_claims(new, present):
        return (
            f"{version} cannot be compared with {called}, which is in service: they were not "
            f"tested on the same claims ({both}). "
            f"python -m model compare {folder} {current.parent / version} --data FILE does so on "
            "claims that neither was trained on"
        )
    if not _weaker(new.metrics, present.metrics):
        return None
    return f"{version} is weaker than {called}, which is in service: on the same claims {both}"


def _on_same_claims(one: Manifest, other: Manifest) -> bool:
    """True if their figures are from the same test claims, as far as their descriptions tell."""
    if "none" in (one.split.kind, other.split.kind) or one.split != other.split:
        return False
    data, others = one.trained_on, other.trained_on
    same_file = (data.sha256, data.rows) == (others.sha256, others.rows)
    return same_file and one.metrics.n == other.metrics.n


def _weaker(new: Report, present: Report) -> bool:
    pairs = ((getattr(new, name), getattr(present, name)) for name in _FIGURES)
    return any(a is not None and b is not None and a < b for a, b in pairs)


def _both(new: Report, present: Report) -> str:
    return ", ".join(
        f"{words} {_figure(getattr(new, name))}, was {_figure(getattr(present, name))}"
        for name, words in _FIGURES.items()
    )


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
