"""Versions of a model in one folder, and which of them is in service.

``ROOT/<version>/`` are artifacts, ``ROOT/current`` links to the one in service, and
``ROOT/promotions.jsonl`` records which version followed which. The link is switched atomically, so
that a reader sees the old version or the new one; only one process changes link and log at a time.
A version may itself be a link to an artifact elsewhere.
"""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from model.artifact import store as artifact
from model.artifact.manifest import Manifest
from model.artifact.store import ArtifactError
from model.releases.lock import LIMIT_S, LockedError, alone
from model.releases.promotions import LOG, Promotion, history, settled, turn, way_back
from model.releases.remembering import memory_needed
from model.releases.strength import compared
from model.releases.terms import STRICT, Terms, contract_changes, narrower, refuse, unsigned
from model.scoring.load import load as load_model

CURRENT: Final = "current"
_LONGEST_NAME: Final = 200
"""Bytes; file systems allow 255, and a name gets a prefix while it is being written."""

Say = Callable[[str], None]
"""Gets what a person should know."""


def _silent(_: str) -> None:
    """Say nothing."""


class Version(NamedTuple):
    """One artifact of the folder."""

    folder: Path
    manifest: Manifest
    current: bool
    name: str
    """What `promote` calls it: its folder, or NAME/ALGORITHM for one of several in a folder.

    The path of a model outside of the folder, if that is in service.
    """


class Listing(NamedTuple):
    """The artifacts of a folder."""

    versions: list[Version]
    """Oldest first."""
    damaged: list[str]
    """Those that cannot be read, each with its path and the reason."""


def listed(root: Path) -> Listing:
    """Every artifact of the folder.

    Raises:
        ArtifactError: there is no such folder.
        OSError: it cannot be read.
    """
    if not root.is_dir():
        raise ArtifactError(f"{root} is not a folder")
    current = in_service(root)
    found: dict[str, Path] = {}
    versions, damaged = [], []
    if current is not None and not (root / CURRENT).exists():
        damaged.append(f"{root / CURRENT} refers to {current}, which does not exist")
    elif current is not None and Path(current).is_absolute():
        found[current] = Path(current)
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir() or _is_current(root, folder):
            continue
        for one in (folder,) if artifact.is_meant_as_one(folder) else several(folder):
            found[one.relative_to(root).as_posix()] = one
    for name, folder in found.items():
        try:
            manifest = artifact.read_manifest(folder)
        except ArtifactError as error:
            damaged.append(str(error))
        else:
            versions.append(Version(folder, manifest, name == current, name))
    return Listing(sorted(versions, key=lambda v: (v.manifest.created_at, v.folder.name)), damaged)


def several(folder: Path) -> list[Path]:
    """The artifacts that `train --algorithm all` saved in a folder of their own."""
    return [
        found.parent
        for found in sorted(folder.glob(f"*/{artifact.MANIFEST_FILE}"))
        if is_name(found.parent.name)
    ]


def alone_as(name: str) -> str:
    """What a version is called once it has a folder to itself."""
    return name.replace("/", "-")


def in_service(root: Path) -> str | None:
    """The version that `current` refers to.

    Returns:
        Its name; ``current`` if that is a folder; the absolute path of a model that is no version
        of this folder; None if there is no `current`.
    """
    link = root / CURRENT
    if not link.is_symlink():
        return CURRENT if link.is_dir() else None
    own = _real(root)
    target = own / link.readlink()
    # The version may be a link itself: it is called by its own name.
    place = _real(target.parent) / target.name
    name = place.relative_to(own).as_posix() if place.is_relative_to(own) else ""
    return name if _may_be_promoted(name) else str(_real(target))


def promote(
    root: Path,
    version: str,
    now: dt.datetime,
    approver: str | None = None,
    limit_s: float = LIMIT_S,
    terms: Terms = STRICT,
    say: Say = _silent,
) -> Promotion:
    """Put a version into service, after loading it completely.

    A ``current`` that is itself an artifact, not a link, is kept as a separate version. After a
    signed model, an unsigned one is refused, whatever the terms: it only has to be signed. Waits at
    most `limit_s` seconds for another promotion. One of several models in a folder, NAME/ALGORITHM,
    is copied to a version NAME-ALGORITHM of its own.

    Args:
        root: folder of the versions.
        version: what to promote.
        now: time of the promotion.
        approver: the person who decided it.
        limit_s: see above.
        terms: what that person accepts.
        say: gets what a person should know before the model is put into service.

    Raises:
        ArtifactError: no such version, it cannot be loaded, it is not signed as the present one
            is, or the terms do not cover its doubts or the changes of its contract; the one in
            service stays.
    """
    folder = _folder(root, version)
    own = alone_as(version)
    with _alone(root, limit_s):
        log = settled(root, in_service(root))
        if in_service(root) == own:
            raise ArtifactError(f"{own} is already in service")
        if own != version and (root / own).exists():
            raise ArtifactError(
                f"{root / own} exists: promote {own}, or train again with another --output"
            )
        present = _present(root)
        load_model(folder, remembers=True, prove=True)  # golden examples have their histories
        manifest = artifact.read_manifest(folder)
        doubts = manifest.doubts
        contract = artifact.read_contract(folder, manifest)
        changes = contract_changes(root / CURRENT, contract)
        weaker = compared(root / CURRENT, version, manifest)
        if weaker is not None:
            say(weaker)
        needed = memory_needed(root / CURRENT, version, manifest, contract)
        if needed is not None:
            say(needed)
        again = f"python -m model promote {version} --root {root}"
        refuse(version, doubts, changes, terms, unsigned(root / CURRENT, version, folder, again))
        if own != version:
            _copy(folder, root / own)
        entry = Promotion(
            at=now,
            version=own,
            replaced=present,
            approver=approver,
            despite=terms.despite if doubts else None,
            doubts=doubts,
            contract_changes=changes,
        )
        return turn(root / CURRENT, log, entry)


def rollback(root: Path, now: dt.datetime, say: Say = _silent) -> Promotion:
    """Put back into service what was there before the present model; see `way_back`.

    It is never refused for its contract: it is the way out of a promotion that went wrong. A
    ``current`` that is itself an artifact is kept, as by `promote`.

    Args:
        root: folder of the versions.
        now: time of the rollback.
        say: gets what the version may refuse that the present one takes, before it is put back.

    Raises:
        ArtifactError: there is none, it cannot be loaded, is outside of the folder, or is not
            signed as the present one is; the one in service stays.
    """
    with _alone(root):
        present = _present(root)
        log = settled(root, in_service(root))
        former = way_back(root, log, present)
        if not former:
            raise ArtifactError(
                f"{root / LOG} records no earlier version to go back to: promote one by name"
            )
        version = former[-1]
        folder = _former(root, version)
        scorer = load_model(folder, remembers=True)
        lacking = unsigned(
            root / CURRENT, version, folder, f"python -m model rollback --root {root}"
        )
        if lacking is not None:
            raise ArtifactError(lacking)
        contract = scorer.decoder.contract
        changes = contract_changes(root / CURRENT, contract)
        if changes:
            say(narrower(version, changes))
        needed = memory_needed(root / CURRENT, version, scorer.manifest, contract)
        if needed is not None:
            say(needed)
        entry = Promotion(
            at=now,
            version=version,
            replaced=present,
            rollback=True,
            contract_changes=changes,
        )
        return turn(root / CURRENT, log, entry)


def said(root: Path, done: Promotion) -> str:
    """A promotion or rollback as a line of text."""
    replaced = f", which was {done.replaced}" if done.replaced else ""
    return f"{root / CURRENT} is now {done.version}{replaced}\n"


def is_name(version: str) -> bool:
    """True if a version can be used as its folder's name, next to `current` and hidden files."""
    plain = version.isprintable() and "/" not in version and len(version.encode()) <= _LONGEST_NAME
    return plain and version not in ("", CURRENT, LOG) and not version.startswith(".")


def _may_be_promoted(version: str) -> bool:
    """True of a name, and of NAME/ALGORITHM."""
    parts = version.split("/")
    return len(parts) <= 2 and all(map(is_name, parts))


def _folder(root: Path, version: str) -> Path:
    folder = root / version
    if not _may_be_promoted(version) or not folder.is_dir():
        raise ArtifactError(f"{root} has no version {version!r}")
    if "/" not in version and _is_current(root, folder):
        raise ArtifactError(
            f"{folder} is a link that leads to {root / CURRENT}, which would then lead to itself: "
            "promote the version by its own name"
        )
    if "/" not in version and not artifact.is_meant_as_one(folder) and (found := several(folder)):
        names = ", ".join(f"{version}/{one.name}" for one in found)
        raise ArtifactError(f"{folder} contains several models: promote one of {names}")
    return folder


def _former(root: Path, version: str) -> Path:
    if Path(version).is_absolute():
        raise ArtifactError(
            f"{version} was in service before, which is not a version in {root}: "
            f"ln -sfn {version} {root / CURRENT} puts it back, or promote a version by name"
        )
    return _folder(root, version)


def _is_current(root: Path, folder: Path) -> bool:
    """True if this is the link `current`, or one that leads there."""
    current = _real(root) / CURRENT
    while folder.is_symlink():
        if _real(folder.parent) / folder.name == current:
            return True
        folder = _real(folder.parent) / folder.readlink()
        if any(_real(place.parent) / place.name == current for place in folder.parents):
            return True
    return False


def _real(path: Path) -> Path:
    """The path without links; unlike `Path.resolve`, also of links that lead to themselves."""
    return Path(os.path.realpath(path))


def _copy(folder: Path, to: Path) -> None:
    """Copy the artifact to another name, whole or not at all."""
    made = to.parent / f".{to.name}.new"
    try:
        shutil.rmtree(made, ignore_errors=True)  # of a process that was killed
        shutil.copytree(folder, made)
        made.rename(to)
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _alone(root: Path, limit_s: float = LIMIT_S) -> Iterator[None]:
    if not root.is_dir():
        raise ArtifactError(f"{root} is not a folder")
    try:
        with alone(root, limit_s):
            yield
    except LockedError as error:
        raise ArtifactError(str(error)) from error


def approver_of(folder: Path) -> str | None:
    """The person who put this artifact into service, if the log next to it says so.

    Args:
        folder: the artifact, or a link to it; the log may be next to either.
    """
    for place in (folder.absolute(), _real(folder)):
        name = in_service(place.parent) if place.name == CURRENT else place.name
        found = [e.approver for e in history(place.parent) if e.version == name and e.approver]
        if found:
            return found[-1]
    return None


def _present(root: Path) -> str | None:
    """What is in service; of a ``current`` folder the name under which it will be kept.

    Raises:
        ArtifactError: ``current`` cannot be kept.
    """
    folder = root / CURRENT
    if folder.is_symlink() or not os.path.lexists(folder):
        return in_service(root)
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is a file, not a link: move it away")
    try:
        version = artifact.described(folder, artifact.format_of(folder))[1].version
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder} is a folder, not a link, and cannot be kept as a version: move it away: "
            f"{error}"
        ) from error
    if not is_name(version):
        raise ArtifactError(
            f"{folder} is a folder, not a link, and its version {version!r} cannot be used as a "
            "folder name: move it away"
        )
    kept = root / version
    if os.path.lexists(kept):
        raise ArtifactError(f"{folder} is a folder, not a link, and {kept} exists: move one away")
    return version
