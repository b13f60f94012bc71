"""Versions of a model in one folder, and which of them is in service.

``ROOT/<version>/`` are artifacts, ``ROOT/current`` links to the one in service, and
``ROOT/promotions.jsonl`` records which version followed which. The link is switched atomically, so
that a reader sees the old version or the new one; only one process changes link and log at a time.
"""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from model.artifact import store as artifact
from model.artifact.manifest import Manifest
from model.artifact.store import ArtifactError
from model.files.trusted import FileError, decode, read
from model.files.writing import write
from model.releases.lock import LIMIT_S, LockedError, alone
from model.releases.remembering import memory_needed
from model.releases.strength import compared
from model.releases.terms import STRICT, Terms, contract_changes, narrower, refuse
from model.scoring.load import load as load_model

CURRENT: Final = "current"
LOG: Final = "promotions.jsonl"
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
    """What `promote` calls it: its folder, or NAME/ALGORITHM for one of several in a folder."""


class Listing(NamedTuple):
    """The artifacts of a folder."""

    versions: list[Version]
    """Oldest first."""
    damaged: list[str]
    """Those that cannot be read, each with its path and the reason."""


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log: the version put into service, and the one it replaced."""

    at: dt.datetime
    version: str
    replaced: str | None
    rollback: bool = False
    approver: str | None = None
    despite: str | None = None
    """Why it was put into service despite the doubts in its manifest."""
    doubts: tuple[str, ...] = ()
    """Those doubts."""
    contract_changes: tuple[str, ...] = ()
    """What it may refuse that the version before it took, if a person accepted that."""


def listed(root: Path) -> Listing:
    """Every artifact of the folder.

    Raises:
        ArtifactError: there is no such folder.
        OSError: it cannot be read.
    """
    if not root.is_dir():
        raise ArtifactError(f"{root} is not a folder")
    current = in_service(root)
    versions, damaged = [], []
    if current is not None and not (root / CURRENT).exists():
        damaged.append(f"{root / CURRENT} refers to {current}, which does not exist")
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
            continue
        for one in (folder,) if artifact.is_meant_as_one(folder) else several(folder):
            try:
                manifest = artifact.read_manifest(one)
            except ArtifactError as error:
                damaged.append(str(error))
            else:
                name = one.relative_to(root).as_posix()
                versions.append(Version(one, manifest, name == current, name))
    return Listing(sorted(versions, key=lambda v: (v.manifest.created_at, v.folder.name)), damaged)


def several(folder: Path) -> list[Path]:
    """The artifacts that `train --algorithm all` saved in a folder of their own."""
    return [
        found.parent
        for found in sorted(folder.glob(f"*/{artifact.MANIFEST_FILE}"))
        if not found.parent.is_symlink() and is_name(found.parent.name)
    ]


def alone_as(name: str) -> str:
    """What a version is called once it has a folder to itself."""
    return name.replace("/", "-")


def in_service(root: Path) -> str | None:
    """Name of the version that `current` refers to; None if there is none."""
    link = root / CURRENT
    if link.is_symlink():
        return link.readlink().name
    return CURRENT if link.is_dir() else None


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

    A ``current`` that is itself an artifact, not a link, is kept as a separate version. Waits at
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
        ArtifactError: no such version, it cannot be loaded, or the terms do not cover its doubts or
            the changes of its contract; the one in service stays.
    """
    folder = _folder(root, version)
    own = alone_as(version)
    with _alone(root, limit_s):
        if in_service(root) == own:
            raise ArtifactError(f"{own} is already in service")
        if own != version and (root / own).exists():
            raise ArtifactError(
                f"{root / own} exists: promote {own}, or train again with another --output"
            )
        log = history(root)
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
        refuse(version, doubts, changes, terms)
        if own != version:
            _copy(folder, root / own)
        entry = Promotion(
            at=now,
            version=own,
            replaced=_keep(root),
            approver=approver,
            despite=terms.despite if doubts else None,
            doubts=doubts,
            contract_changes=changes,
        )
        return _turn(root, log, entry)


def rollback(root: Path, now: dt.datetime, say: Say = _silent) -> Promotion:
    """Put back into service the version that the current one replaced.

    It is never refused for its contract: it is the way out of a promotion that went wrong.

    Args:
        root: folder of the versions.
        now: time of the rollback.
        say: gets what the version may refuse that the present one takes, before it is put back.

    Raises:
        ArtifactError: there is none, or it cannot be loaded.
    """
    with _alone(root):
        log = history(root)
        standing = _standing(root, log)
        if len(standing) < 2:
            raise ArtifactError(f"{root / LOG} records no earlier version to go back to")
        version = standing[-2]
        scorer = load_model(_folder(root, version), remembers=True)
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
            replaced=standing[-1],
            rollback=True,
            contract_changes=changes,
        )
        return _turn(root, log, entry)


def history(root: Path) -> list[Promotion]:
    """The log, oldest first; empty before the first promotion.

    Raises:
        ArtifactError: it cannot be read.
    """
    path = root / LOG
    if not path.exists():
        return []
    try:
        lines = read(path).splitlines()
    except FileError as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    return [_entry(path, number, line) for number, line in enumerate(lines, start=1)]


def _entry(path: Path, number: int, line: bytes) -> Promotion:
    try:
        return decode(line, Promotion)
    except FileError as error:
        raise ArtifactError(
            f"{path}, line {number}: not the record of a promotion: {error}; correct or remove it"
        ) from error


def said(root: Path, done: Promotion) -> str:
    """A promotion or rollback as a line of text."""
    replaced = f", which was {done.replaced}" if done.replaced else ""
    return f"{root / CURRENT} is now {done.version}{replaced}\n"


def is_name(version: str) -> bool:
    """True if a version can be used as its folder's name, next to `current` and hidden files."""
    plain = version.isprintable() and "/" not in version and len(version.encode()) <= _LONGEST_NAME
    return plain and version not in ("", CURRENT, LOG) and not version.startswith(".")


def _folder(root: Path, version: str) -> Path:
    parts = version.split("/")
    folder = root / version
    if not all(map(is_name, parts)) or len(parts) > 2 or not folder.is_dir():
        raise ArtifactError(f"{root} has no version {version!r}")
    if len(parts) == 1 and not artifact.is_meant_as_one(folder) and (found := several(folder)):
        names = ", ".join(f"{version}/{one.name}" for one in found)
        raise ArtifactError(f"{folder} contains several models: promote one of {names}")
    return folder


def _copy(folder: Path, to: Path) -> None:
    """Copy the artifact to another name, whole or not at all."""
    made = to.parent / f".{to.name}-{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)  # of a process with this id that was killed
    shutil.copytree(folder, made)
    made.rename(to)


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
    """The person who put this artifact into service, if the log next to it says so."""
    entries = [e for e in history(folder.parent) if e.version == folder.name and e.approver]
    return entries[-1].approver if entries else None


def _standing(root: Path, log: Sequence[Promotion]) -> list[str]:
    """The versions as a stack: a rollback removes the topmost one."""
    standing: list[str] = []
    for number, entry in enumerate(log, start=1):
        if entry.rollback:
            if not standing:
                raise ArtifactError(
                    f"{root / LOG}, line {number}: there is no promotion to roll back; "
                    "promote a version by name instead"
                )
            standing.pop()
            continue
        if standing and standing[-1] == entry.version:
            continue  # promoted again: see `_turn`
        if not standing and entry.replaced is not None:
            standing.append(entry.replaced)
        standing.append(entry.version)
    return standing


def _turn(root: Path, log: Sequence[Promotion], entry: Promotion) -> Promotion:
    """Put the log in place, then switch the link; each is replaced atomically.

    If killed in between, the log records a promotion that did not happen: promoting again
    completes it, rolling back undoes it.
    """
    link, lines = root / f".{CURRENT}-{os.getpid()}", root / f".{LOG}-{os.getpid()}"
    write(lines, b"".join(msgspec.json.encode(e) + b"\n" for e in (*log, entry)))
    link.unlink(missing_ok=True)  # of a process with this id that was killed
    link.symlink_to(entry.version)
    lines.replace(root / LOG)
    link.replace(root / CURRENT)
    return entry


def _keep(root: Path) -> str | None:
    """The version in service; a ``current`` folder is renamed to its version and linked."""
    folder = root / CURRENT
    if folder.is_symlink() or not folder.is_dir():
        return in_service(root)
    version = artifact.described(folder, artifact.format_of(folder))[1].version
    if not is_name(version):
        raise ArtifactError(
            f"{folder} is a folder, not a link, and its version {version!r} cannot be used as a "
            "folder name: move it away"
        )
    kept = root / version
    if kept.exists():
        raise ArtifactError(f"{folder} is a folder, not a link, and {kept} exists: move one away")
    try:
        folder.rename(kept)
        folder.symlink_to(kept.name)
    finally:
        if not folder.is_symlink() and kept.exists():
            kept.rename(folder)  # interrupted in between: processes that start find their model
    return kept.name
