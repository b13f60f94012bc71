"""The folder of a store: its one process, what it was filled with, and its disk space."""

import fcntl
import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from consumer.errors import SettingsError
from model.history.plan import EntityKind

FORMAT: Final = f"5 {sys.byteorder}"
DATA: Final = "data.mdb"
LOCK: Final = "lock.mdb"
OWNER: Final = "owner.json"
UNKNOWN: Final = "unknown"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Filled(Struct, frozen=True, kw_only=True):
    """What a store is filled with: one that was filled with anything else is rebuilt."""

    fingerprint: str
    """Of the key of the hashes."""
    kinds: tuple[EntityKind, ...]
    span_days: int
    business: int
    """How many facts of a business are looked at; one with more has totals. See `Bounds`."""
    names: int
    """How many names of a claim count."""
    findings: int
    topic_id: str
    format: str = FORMAT


class _Owner(Struct, frozen=True, kw_only=True):
    """Contents of the owner file."""

    filled: Filled
    opened: str | None
    """The boot of the machine in which the store was opened; None if it has been closed since."""
    complete_s: float = 0.0
    """See `Folder.complete_s`."""


class Folder:
    """A folder that this process has to itself until it closes it.

    Args:
        path: created if missing.

    Raises:
        SettingsError: another process has it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complete_s = 0.0
        """The latest moment, in seconds since 1970, up to which the store has all that the log had;
        until it has read the log, when it began. Opening it without reading changes nothing.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"MEMORY_STORE={path}: {error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise SettingsError(
                f"MEMORY_STORE={path} is in use by another process: give each a folder of its own "
                f"({error})"
            ) from None

    def opened(self, filled: Filled) -> str | None:
        """Prepare it for a store that is filled with this.

        Returns:
            Why the contents were deleted, so that the log must be read again; None if they are as
            they were.

        Raises:
            SettingsError: it was filled with another key.
        """
        why = self._outdated(filled)
        if why is not None:
            for name in (DATA, LOCK):
                (self.path / name).unlink(missing_ok=True)
            self.complete_s = time.time()
        self._say(filled, boot())
        return why

    def complete(self, filled: Filled, at_s: float) -> None:
        """Record that the store has everything the log had at a moment; see `complete_s`."""
        self.complete_s = at_s
        self._say(filled, boot())

    def closed(self, filled: Filled) -> None:
        """Record that everything is on disk, and release the folder."""
        self._say(filled, None)
        self.leave()

    def leave(self) -> None:
        """Release the folder."""
        os.close(self._file)

    def take(self, size: int) -> None:
        """Reserve disk space: without it, writing to a mapped file would kill the process.

        Raises:
            SettingsError: there is not enough.
        """
        try:
            file = os.open(self.path / DATA, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)
        except OSError as error:
            raise SettingsError(f"MEMORY_STORE={self.path} needs {size:,} bytes: {error}") from None

    def _outdated(self, filled: Filled) -> str | None:
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        if not content:
            return "it is new"
        try:
            owner = msgspec.json.decode(content, type=_Owner)
        except msgspec.DecodeError as error:
            return f"{OWNER} is not what it should be ({error})"
        former = owner.filled
        if former.fingerprint != filled.fingerprint:
            raise SettingsError(
                f"MEMORY_STORE={self.path} was filled with the key {former.fingerprint}, but the "
                f"one in MEMORY_KEY_FILE is {filled.fingerprint}: give the former key, or another "
                "folder and another topic"
            )
        others = [n for n in Filled.__struct_fields__ if getattr(former, n) != getattr(filled, n)]
        if others:
            return f"it was filled with another {', '.join(others)}"
        if owner.opened is not None and (owner.opened != boot() or owner.opened == UNKNOWN):
            return "it was open when the machine stopped"
        self.complete_s = owner.complete_s
        return None

    def _say(self, filled: Filled, opened: str | None) -> None:
        owner = _Owner(filled=filled, opened=opened, complete_s=self.complete_s)
        content = msgspec.json.encode(owner)
        os.pwrite(self._file, content, 0)
        os.ftruncate(self._file, len(content))
        os.fsync(self._file)


def boot() -> str:
    """Identifies this boot of the machine, where that can be known.

    What a process wrote survives the process but not the machine, as nothing waits for the disk.
    """
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else UNKNOWN


def on_disk(path: Path) -> None:
    """Wait until a file, or the listing of a folder, is on disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
