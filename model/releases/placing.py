"""Where a new model is saved: never over the one in service, or over one to roll back to."""

import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

from model.artifact import store as artifact
from model.artifact.store import ArtifactError
from model.releases import versions
from model.releases.promotions import Promotion, history
from model.releases.versions import CURRENT, Say, alone_as, is_name


class NamedFolder(NamedTuple):
    """The folder that a person named for a new model."""

    output: Path
    in_service: bool
    """The model in service is there: the new one becomes a version next to it."""

    def folder(self, version: str) -> Path:
        """Where a model of that version is saved."""
        return self.output.parent / version if self.in_service else self.output


def place(output: Path, version: str = "") -> NamedFolder:
    """Check, before a model is trained, that it can be saved there.

    Args:
        output: the folder named for it.
        version: that the model will have, if known.

    Raises:
        ArtifactError: the folder is something else, a link to a model elsewhere, or a version that
            is or was in service and can be rolled back to; or the version exists.
    """
    if _serves(output):
        found = NamedFolder(output, in_service=True)
        if version:
            refuse_existing(found.folder(version))
        return found
    artifact.refuse_foreign(output)
    own = output.absolute()
    # It may be one of several models in a folder of a root; any other folder is no concern of it.
    roots = [own.parent, *(r for r in own.parents[1:2] if os.path.lexists(r / CURRENT))]
    if output.exists() and any(own.resolve() in _served(root) for root in roots):
        raise ArtifactError(
            f"{output} is or was in service, and rollback may go back to it: save the new "
            "model in another folder"
        )
    return NamedFolder(output, in_service=False)


def version_of(output: Path, *, one_of_several: bool = False) -> str:
    """The version of a new model in that folder: the name that it is promoted by.

    Empty where that name cannot be one: ``current``, and the name of a folder that has a model or
    was in service, as no version may denote two models.

    Args:
        output: folder named for the model.
        one_of_several: it is one of the models of ``--algorithm all``, which share a folder.
    """
    own, root = output.absolute(), output.absolute().parent
    name = own.name
    if one_of_several:
        name, root = alone_as(f"{root.name}/{name}"), root.parent
    used = name in _named(root) or any(
        (folder / artifact.MANIFEST_FILE).exists() for folder in (own, root / name)
    )
    return "" if used or not is_name(name) else name


def _named(root: Path) -> set[str]:
    """What the log of a folder names: all that was put into service there, or replaced."""
    return {v for entry in history(root) for v in (entry.version, entry.replaced) if v is not None}


def _served(root: Path) -> set[Path]:
    """The folders of all that is or was in service there; a version may be a link to one."""
    return {Path(os.path.realpath(root / name)) for name in (CURRENT, *_named(root))}


def _serves(output: Path) -> bool:
    link = output.parent / CURRENT
    folder = link.resolve()
    here = folder.parent == output.parent.resolve()
    return here and output.resolve() == folder and (folder / artifact.MANIFEST_FILE).is_file()


def refuse_existing(folder: Path) -> None:
    """Check that a new version has a folder to itself.

    Raises:
        ArtifactError: something has that name already.
    """
    if folder.exists():
        raise ArtifactError(f"{folder} exists: give the new model another --model-version")


def put_into_service(folder: Path, now: dt.datetime, say: Say) -> Promotion:
    """Promote a version that was saved in place of the one in service.

    Args:
        folder: of the version.
        now: time of the promotion.
        say: gets what a person should know before the model is put into service.

    Raises:
        ArtifactError: it is not promoted, as in `versions.promote`; it stays where it was saved.
    """
    return versions.promote(folder.parent, folder.name, now, say=say)
