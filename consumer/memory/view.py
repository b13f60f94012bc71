"""What a store of remembered facts offers, however it is implemented."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from model.history.facts import ClaimFact, ClaimRef
from model.history.features import ClaimHistory
from model.history.store import EntityKey
from schemas.memory import FactKey, Remembered

Pending = Mapping[EntityKey, Mapping[bytes, ClaimFact]]
"""This process's facts that may not be in the view yet, by the entities they are about, then by the
key of their record in the log."""


class Asked(NamedTuple):
    """A claim whose history is asked for."""

    claim: ClaimRef
    keys: Sequence[EntityKey]
    as_of: int
    """Milliseconds since 1970: what became known then or later is not seen."""


class LogFact(NamedTuple):
    """A log record."""

    key: FactKey
    fact: Remembered | None
    """None: it is forgotten."""


class Link(NamedTuple):
    """An earlier claim that names the same entity."""

    kind: int
    """Number of the entity's kind in the plan."""
    claim_id: str
    known_at: int
    finding: bool | None
    """Whether it was found to be fraud; None if that was not known."""
    amount: float | None


class View(Protocol):
    """Facts from the log up to some positions; used from one thread."""

    def positions(self) -> dict[int, int]:
        """Next offset to apply, by partition of the log; partitions without any are left out."""

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        """Take in facts and the positions after them, all or nothing."""

    def histories(self, asked: Sequence[Asked], pending: Pending) -> list[ClaimHistory]:
        """The history of each claim, as of one moment of the view."""

    def links(self, asked: Sequence[Asked], most: int) -> Sequence[Sequence[Link]]:
        """For each claim, earlier ones that name the same people, latest first, at most `most` of
        each kind.
        """

    def empty(self) -> None:
        """Forget everything: the log will be read from its beginning."""

    def complete(self, at_s: float) -> None:
        """Note that it has everything the log had at a moment, in seconds since 1970: what was
        forgotten before then is forgotten here too.
        """

    def close(self) -> None:
        """Release what is open."""


class LogFollower(Protocol):
    """Keeps a view, or what is known about one, in step with the log; used from one thread."""

    def load(self, going_on: Callable[[], bool], progress: Callable[[int, int], object]) -> bool:
        """Bring the view up to the current end of the log.

        Args:
            going_on: False once it should stop.
            progress: called with how many records have been read, and about how many there are.

        Returns:
            False if it was stopped before the end.
        """

    def step(self, wait_s: float = 0.0) -> int:
        """Take in new records; returns how many.

        Args:
            wait_s: how long to wait for the first ones.
        """

    @property
    def behind_ms(self) -> int:
        """How far the view is behind the log, in time."""

    def close(self) -> None:
        """Release the log and the view."""
