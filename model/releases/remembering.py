"""What processes must remember before they can take up a model that learnt from history."""

import os
from pathlib import Path

from model.artifact.manifest import Manifest
from model.artifact.store import ArtifactError, described, format_of, read_contract
from model.history.plan import bounds_of
from schemas.contract.model import Contract


def memory_needed(current: Path, version: str, new: Manifest, contract: Contract) -> str | None:
    """What to say before a model that is scored with history is put into service.

    Args:
        current: the folder in service, or the link to it.
        version: what the new model is called.
        new: its description.
        contract: what its claims are.

    Returns:
        None if it has no history, or the one in service has the same.
    """
    if new.history is None:
        return None
    kinds = ", ".join(kind.kind for kind in new.history.kinds)
    needs = (
        f"{version} learnt from history ({kinds}): workers and serve take it up only with "
        "MEMORY=on, and others keep the model that they have"
    )
    if not os.path.lexists(current):
        return needs
    folder = current.resolve()
    try:
        _, present = described(folder, format_of(folder))
        its = read_contract(folder, present)
    except ArtifactError:
        return needs  # the reason is given where the two are compared
    other = (its.entities, its.event) != (contract.entities, contract.event)
    if other or bounds_of(present.history) != bounds_of(new.history):
        return (
            f"{needs}. It needs other people or things remembered, or for longer, than the present "
            "model: processes that run take it up when they are started again"
        )
    return needs if present.history is None else None
