"""What keeps a loadable model out of service until a person accepts it, or signs it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from model.artifact.store import ArtifactError, described, format_of, read_contract
from model.releases.signing import SIGNATURE_FILE
from schemas.contract.model import Contract
from schemas.narrowing import narrowing

ACCEPT: Final = "--accept-contract-change"
DESPITE: Final = "--despite"
_WAITING: Final = (
    "Claims that are waiting in the topic, and those of senders that have not changed yet, would "
    "become dead letters, or lose what the new contract does not have."
)
_SHOWN: Final = 40
"""Differences that a message lists; another line of business has a few for every field."""


class Terms(NamedTuple):
    """What a person accepts with a promotion."""

    contract_change: bool = False
    """The new model may refuse claims that the present one takes."""
    despite: str | None = None
    """Why the model is put into service despite the doubts from its training."""


STRICT: Final = Terms()


def contract_changes(current: Path, new: Contract) -> tuple[str, ...]:
    """What the model in service takes and a model with this contract may refuse; see `narrowing`.

    Args:
        current: the folder in service, or the link to it.
        new: the contract of the model to follow it.
    """
    if not os.path.lexists(current):
        return ()
    folder = current.resolve()
    try:
        _, manifest = described(folder, format_of(folder))
        present = read_contract(folder, manifest)
    except ArtifactError as error:
        return (f"the contract of the model in service is not known: {error}",)
    return narrowing(present, new)


def unsigned(current: Path, version: str, folder: Path, again: str) -> str | None:
    """Why a model may not follow the one in service: that is signed, and this one is not.

    No terms cover it: processes with MODEL_PUBLIC_KEY_FILE would refuse the model. They also check
    whether a signature is valid, as they have the key.

    Args:
        current: the folder in service, or the link to it.
        version: what the other model is called.
        folder: where it is.
        again: the command to repeat once it is signed.

    Returns:
        None if it may.
    """
    if (folder / SIGNATURE_FILE).exists() or not (current / SIGNATURE_FILE).exists():
        return None
    return (
        f"{version} is not put into service yet, because the present model is signed and {version} "
        f"is not: python -m model sign --model {folder} --key FILE, then {again}"
    )


def refuse(
    version: str,
    doubts: Sequence[str],
    changes: Sequence[str],
    terms: Terms,
    unsigned_now: str | None = None,
) -> None:
    """Check that a promotion lacks nothing.

    Args:
        version: what is promoted.
        doubts: of its figures.
        changes: what it may refuse that the present one takes.
        terms: what a person accepts of these.
        unsigned_now: what `unsigned` says.

    Raises:
        ArtifactError: the terms do not cover it, or it has to be signed first; the message lists
            everything that is lacking.
    """
    lacking = [] if unsigned_now is None else [unsigned_now]
    if doubts and terms.despite is None:
        lacking.append(_doubtful(version, doubts))
    if changes and not terms.contract_change:
        lacking.append(_narrower(version, changes))
    if lacking:
        raise ArtifactError("\n".join(lacking))


def narrower(version: str, changes: Sequence[str]) -> str:
    """What it means to put back into service a version whose contract takes less."""
    return f"{version} may refuse claims that the present model takes:{_lines(changes)}\n{_WAITING}"


def _doubtful(version: str, doubts: Sequence[str]) -> str:
    return (
        f"{version} is not put into service, because its figures say too little:{_lines(doubts)}\n"
        "Train it with more claims or another threshold. "
        f"{DESPITE} REASON puts it into service all the same and records the reason."
    )


def _narrower(version: str, changes: Sequence[str]) -> str:
    return (
        f"{version} is not put into service, because it may refuse claims that the present model "
        f"takes:{_lines(changes)}\n{_WAITING} None is lost if "
        "the new claims go to a new topic, or if the new contract takes both: for a renamed field, "
        f"the former name under x-from. {ACCEPT} puts it into service all the same."
    )


def _lines(items: Sequence[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return "".join(f"\n  {item}" for item in (*items[:_SHOWN], *more))
