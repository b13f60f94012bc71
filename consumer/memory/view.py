"""What a store of remembered facts offers, whatever it is made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from model.history.facts import ClaimFact, ClaimRef
from model.history.features import ClaimHistory
from model.history.store import EntityKey
from schemas.memory import FactKey, Remembered

Pending = Mapping[EntityKey, Mapping[bytes, ClaimFact]]
"""Facts of this process that may not be in the view yet, by the entities that they are about, each
by the key of its record in the log."""


class Asked(NamedTuple):
    """A claim whose history is asked for."""

    claim: ClaimRef
    keys: Sequence[EntityKey]
    as_of: int
    """Milliseconds since 1970: what became known then or later is not seen."""


class LogFact(NamedTuple):
    """A record of the log."""

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
    """Whether it was found to be fraud, as far as that was known; None if it was not."""
    amount: float | None


class View(Protocol):
    """Facts of the log up to some positions; used from one thread."""

    def positions(self) -> dict[int, int]:
        """Next offset to apply, by partition of the log; partitions without any are left out."""

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        """Take in facts and the positions after them, all or nothing."""

    def histories(self, asked: Sequence[Asked], pending: Pending) -> list[ClaimHistory]:
        """The history of each claim, as of one moment of the view."""

    def links(self, asked: Asked, most: int) -> Sequence[Link]:
        """Earlier claims that name the same persons, the latest first, so many of each kind."""

    def empty(self) -> None:
        """Forget everything: the log is to be read from its beginning."""

    def close(self) -> None:
        """Let go of what is open."""
