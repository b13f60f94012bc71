"""This process's claims that it has not read back from the log yet, so no view has them."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from consumer.memory.view import Pending
from model.history.facts import ClaimFact
from model.history.store import EntityKey

MOST: Final = 50_000
"""How many claims are kept. More are pending only while something holds up all readers of the log;
scoring then goes on without the oldest, so claims know less, and say how far behind they are."""


class Claimed(NamedTuple):
    """A claim that was scored here."""

    key: bytes
    """Of its record in the log."""
    fact: ClaimFact
    entities: Sequence[EntityKey]


class PendingClaims:
    """Batches in the order in which they were scored; an aborted one leaves no trace."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._facts: dict[EntityKey, dict[bytes, ClaimFact]] = {}
        self._claims: dict[bytes, Claimed] = {}
        self._uncommitted: deque[Sequence[bytes]] = deque()

    def __len__(self) -> int:
        """How many claims are pending."""
        return len(self._claims)

    @property
    def facts(self) -> Pending:
        """All of them, by entity."""
        return self._facts

    def add(self, batch: Sequence[Claimed]) -> None:
        """Take in a batch that is about to be published."""
        claims, known = self._claims, self._facts
        for claimed in batch:
            key, fact, entities = claimed
            if key in claims:
                self._forget(key)
            claims[key] = claimed
            for entity in entities:
                facts = known.get(entity)
                if facts is None:
                    known[entity] = {key: fact}
                else:
                    facts[key] = fact
        self._uncommitted.append([claimed.key for claimed in batch])
        # Finding a dictionary's first keys scans past removed ones: done once per batch.
        for key in list(islice(self._claims, max(0, len(self._claims) - self._most))):
            self._forget(key)

    def committed(self) -> None:
        """The earliest uncommitted batch has been committed: the view will bring it."""
        self._uncommitted.popleft()

    def void(self) -> None:
        """What is not committed will be read and scored again."""
        for batch in self._uncommitted:
            for key in batch:
                self._forget(key)
        self._uncommitted.clear()

    def returned(self, keys: Iterable[bytes]) -> None:
        """These records of the log are in the view."""
        for key in keys:
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        claimed = self._claims.pop(key, None)
        if claimed is None:
            return
        for entity in claimed.entities:
            facts = self._facts[entity]
            del facts[key]
            if not facts:
                del self._facts[entity]
