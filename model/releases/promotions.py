"""The log of a folder's promotions, the link that they turn, and what a rollback goes back to.

``ROOT/promotions.jsonl`` has a line for each promotion and rollback: the version put into service,
and what was in service before it. The link ``ROOT/current`` can be changed by hand, and a command
can be killed before its line is in place: so what is in service decides, not the last line.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from model.artifact.store import ArtifactError
from model.files.trusted import FileError, decode, read
from model.files.writing import write

LOG: Final = "promotions.jsonl"
PREPARED: Final = f".{LOG}.new"
"""The log with the line of a promotion that has not ended yet."""


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log: the version put into service, and the one it replaced."""

    at: dt.datetime
    version: str
    replaced: str | None
    """What was in service: a version, or the path of a model outside of the folder."""
    rollback: bool = False
    approver: str | None = None
    despite: str | None = None
    """Why it was put into service despite the doubts in its manifest."""
    doubts: tuple[str, ...] = ()
    """Those doubts."""
    contract_changes: tuple[str, ...] = ()
    """What it may refuse that the version before it took, if a person accepted that."""


def history(root: Path) -> list[Promotion]:
    """The log, oldest first; empty before the first promotion.

    Raises:
        ArtifactError: it cannot be read.
    """
    path = root / LOG
    return _entries(path) if path.exists() else []


def turn(current: Path, log: Sequence[Promotion], entry: Promotion) -> Promotion:
    """Turn the link, then put the log in place; each is replaced atomically.

    A failure changes neither the log nor what is in service. After a kill, what is in service
    decides whether the line that was prepared becomes part of the log; see `settled`.

    Args:
        current: the link, or a folder that is kept as the version that the entry says it replaces.
        log: as it is, oldest first.
        entry: what is added to it.
    """
    prepared = current.parent / PREPARED
    try:
        write(prepared, b"".join(msgspec.json.encode(e) + b"\n" for e in (*log, entry)))
        if entry.replaced is not None:
            _keep(current, current.parent / entry.replaced)
        target = current.readlink() if current.is_symlink() else None
        try:
            _link(current, entry.version)
            prepared.replace(current.parent / LOG)
        except BaseException:
            if prepared.exists():  # so the log is as it was
                _link(current, target)
            raise
    finally:
        prepared.unlink(missing_ok=True)
    return entry


def settled(root: Path, present: str | None) -> list[Promotion]:
    """The log, after what a killed command had prepared was put in place or removed.

    The prepared line is kept if its version is in service: the command was killed after the link
    was turned. Nobody else may be promoting.

    Args:
        root: folder of the versions.
        present: what is in service.

    Raises:
        ArtifactError: the log cannot be read.
    """
    log, prepared = history(root), root / PREPARED
    if not prepared.exists():
        return log
    try:
        entries = _entries(prepared)
    except ArtifactError:
        entries = []  # it was killed while it wrote
    if entries and entries[:-1] == log and entries[-1].version == present:
        prepared.replace(root / LOG)
        return entries
    prepared.unlink()
    return log


def way_back(root: Path, log: Sequence[Promotion], present: str | None) -> list[str]:
    """What rollbacks would go back to, the next one last.

    Versions are a stack: a promotion puts one on top, and a rollback removes it. What was found in
    service at a promotion, or is now, and is not on top, was put there by hand, and is on top.
    If it is what the last line replaced, then that line was undone by hand, or never took effect.

    Args:
        root: folder of the versions, for messages.
        log: oldest first.
        present: what is in service.

    Raises:
        ArtifactError: the log begins with a rollback.
    """
    before: list[str] = []
    stack: list[str] = []
    for number, entry in enumerate(log, start=1):
        if entry.rollback and not stack:
            raise ArtifactError(
                f"{root / LOG}, line {number}: there is no promotion to roll back; "
                "promote a version by name instead"
            )
        before = _found(stack, before, entry.replaced)
        stack = _rolled_back(before, entry) if entry.rollback else _topped(before, entry.version)
    stack = _found(stack, before, present)
    return stack if present is None else stack[:-1]


def _found(stack: list[str], before: list[str], present: str | None) -> list[str]:
    """The stack with what is in service on top; `before` is what it was before the last line."""
    if present == _top(stack):
        return stack
    if present == _top(before):
        return before
    return stack if present is None else [*stack, present]


def _topped(stack: list[str], version: str) -> list[str]:
    return stack if version == _top(stack) else [*stack, version]


def _rolled_back(stack: list[str], entry: Promotion) -> list[str]:
    """The stack down to the version gone back to, which former releases chose differently."""
    below = stack if entry.replaced is None else stack[:-1]
    if entry.version not in below:
        return [*below, entry.version]
    while below[-1] != entry.version:
        below = below[:-1]
    return below


def _top(stack: list[str]) -> str | None:
    return stack[-1] if stack else None


def _keep(current: Path, kept: Path) -> None:
    """Rename a ``current`` that is a folder, and make it a link to that."""
    if current.is_symlink() or not current.is_dir():
        return
    try:
        current.rename(kept)
        _link(current, kept.name)
    finally:
        if not current.is_symlink() and kept.exists():
            kept.rename(current)  # interrupted in between: processes that start find their model


def _link(current: Path, target: str | Path | None) -> None:
    """Make `current` a link to the target, at once; remove it if there is none."""
    if target is None:
        current.unlink(missing_ok=True)
        return
    aside = current.with_name(f".{current.name}.new")
    try:
        aside.unlink(missing_ok=True)  # of a process that was killed
        aside.symlink_to(target)
        aside.replace(current)
    finally:
        aside.unlink(missing_ok=True)


def _entries(path: Path) -> list[Promotion]:
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
