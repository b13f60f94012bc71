"""TCP ports for brokers and workers that stay theirs while they are down."""

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import Final, TextIO

RANGE: Final = range(20_000, 32_000)
"""Below what Linux gives to outgoing connections: a client that tries again and again to reach a
killed broker would take the broker's port sooner or later, or even connect to itself."""
LOCKS: Final = Path(tempfile.gettempdir()) / "claims-fraud-scorer-ports"

_held: list[TextIO] = []


def free_ports(count: int) -> list[int]:
    """TCP ports of the loopback address that are free now, all different.

    Each is this process's for as long as it runs: no other process that asks here gets it.
    """
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    while True:
        port = random.choice(RANGE)
        if _reserved(port) and _free(port):
            return port


def _reserved(port: int) -> bool:
    LOCKS.mkdir(exist_ok=True)
    lock = (LOCKS / str(port)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _held.append(lock)
    return True


def _free(port: int) -> bool:
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
