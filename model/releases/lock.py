"""One process at a time."""

import errno
import fcntl
import os
import platform
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_FILE: Final = ".promotion.lock"
LIMIT_S: Final = 30.0
"""Maximum wait: two queued promotions take a few seconds each."""
_EVERY_S: Final = 0.1
_LONGEST_NAME: Final = 200


class LockedError(Exception):
    """Another process holds the lock; the message names the file and, if known, the process."""


@contextmanager
def alone(folder: Path, limit_s: float = LIMIT_S) -> Iterator[None]:
    """Make others who lock the same folder wait until the block ends.

    An advisory lock (flock(2)) on a file in the folder that can be opened only by those who may
    also write to the folder: nobody else can hold it. The kernel releases it when the process
    dies; the file is removed when the block ends.

    Args:
        folder: the folder of the lock file.
        limit_s: maximum wait, seconds.

    Raises:
        LockedError: another process holds the lock for longer than that, or the file it left
            behind belongs to another account.
        OSError: there is no such folder, or this account may not write to it.
    """
    file = folder / LOCK_FILE
    descriptor = _taken(file, time.monotonic() + limit_s, limit_s)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, _me().encode())
        yield
    finally:
        file.unlink()  # while it is ours: see `_is_current`
        os.close(descriptor)


def _taken(file: Path, until: float, limit_s: float) -> int:
    while True:
        descriptor = _opened(file)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(file, descriptor):
                return descriptor
        except BlockingIOError:
            if time.monotonic() >= until:
                holder = os.pread(descriptor, _LONGEST_NAME, 0).decode(errors="replace")
                os.close(descriptor)
                raise LockedError(
                    f"{file} has been locked for {limit_s:g} s by {holder or 'another process'}, "
                    "which is promoting or rolling back: wait until it finishes, or stop it"
                ) from None
            time.sleep(_EVERY_S)
        os.close(descriptor)


def _opened(file: Path) -> int:
    """The file, created if needed, accessible to those who may write to the folder."""
    found = file.parent.stat()
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except PermissionError as error:
        if not file.exists():
            raise
        raise LockedError(
            f"{file} belongs to another account ({_owner(file)}), which is promoting or was "
            "killed while promoting: wait until it finishes, or remove the file"
        ) from error
    own = os.fstat(descriptor)
    if not stat.S_ISREG(own.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    if found.st_mode & stat.S_IWGRP and own.st_uid == os.geteuid() and _may_give_to(found.st_gid):
        os.fchown(descriptor, -1, found.st_gid)
        os.fchmod(descriptor, 0o660)
    return descriptor


def _may_give_to(group: int) -> bool:
    return os.geteuid() == 0 or group in (os.getegid(), *os.getgroups())


def _is_current(file: Path, descriptor: int) -> bool:
    """True if the lock is on the current file: the previous one may have been removed."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _me() -> str:
    return f"process {os.getpid()} of user {os.geteuid()} on {platform.node()}"


def _owner(file: Path) -> str:
    try:
        return file.owner()
    except KeyError:  # a number without a name
        return str(file.stat().st_uid)
