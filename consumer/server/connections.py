"""The open connections of an HTTP port: how many there are, and which one has to go."""

from collections.abc import Iterator
from typing import Final, Protocol

from consumer.server.limits import Limits

PATIENCE_S: Final = 1.0
"""Seconds for which a connection without a request keeps its place against one with a request."""


class Member(Protocol):
    """An open connection."""

    due: float
    """The deadline, by the loop's clock."""

    def expire(self) -> None:
        """Called when it has taken too long."""

    def drop(self) -> None:
        """Close it immediately, whatever its state."""

    def finish(self) -> None:
        """Close it as soon as every request in flight is answered."""


class Connections:
    """Those open now, in the order in which they last sent a complete request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Kept separate, so that a connection that only waits never displaces one that works.
        self._silent: dict[Member, float] = {}
        self._known: dict[Member, None] = {}

    def __len__(self) -> int:
        return len(self._silent) + len(self._known)

    def __iter__(self) -> Iterator[Member]:
        return iter([*self._silent, *self._known])

    def admit(self, connection: Member, now: float) -> None:
        """A connection was accepted; if there are too many, the longest-idle one is dropped."""
        if len(self) >= self._limits.connections + self._limits.spare:
            self.evict()
        self._silent[connection] = now

    def heard(self, connection: Member) -> None:
        """It sent a complete request."""
        if self._silent.pop(connection, None) is None:
            self._known.pop(connection, None)
        self._known[connection] = None

    def leave(self, connection: Member) -> None:
        """It is closed."""
        self._silent.pop(connection, None)
        self._known.pop(connection, None)

    def serves(self, asking: Member, now: float) -> bool:
        """True if its request may be served: there is room, or room could be made."""
        if len(self) <= self._limits.connections:
            return True
        oldest = next((one for one in self._silent if one is not asking), None)
        if oldest is None or now - self._silent[oldest] < PATIENCE_S:
            return False
        self._drop(oldest)
        return True

    def evict(self) -> None:
        """Close the one that has gone longest without a complete request."""
        oldest = next(iter(self), None)
        if oldest is not None:
            self._drop(oldest)

    def _drop(self, connection: Member) -> None:
        self.leave(connection)
        connection.drop()

    def sweep(self, now: float) -> None:
        """Expire every connection that has taken too long."""
        for connection in self:
            if connection.due <= now:
                connection.expire()
