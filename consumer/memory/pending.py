"""Claims of this process that have not come back from the log yet, so no view has them."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from consumer.memory.view import Pending
from model.history.facts import ClaimFact
from model.history.store import EntityKey

_NOTHING: Final[Pending] = MappingProxyType({})


class Claimed(NamedTuple):
    """A claim that was scored here."""

    key: bytes
    """Of its record in the log."""
    fact: ClaimFact
    entities: Sequence[EntityKey]


class PendingClaims:
    """Batches in the order in which they were scored; what is aborted never happened."""

    def __init__(self) -> None:
        self._by_moment: dict[int, dict[EntityKey, list[ClaimFact]]] = {}
        self._claims: dict[bytes, Claimed] = {}
        self._uncommitted: deque[Sequence[bytes]] = deque()

    def __len__(self) -> int:
        """How many claims are pending."""
        return len(self._claims)

    def add(self, batch: Sequence[Claimed]) -> None:
        """Take in a batch that is about to be published."""
        for claimed in batch:
            self._forget(claimed.key)
            self._claims[claimed.key] = claimed
            for entity in claimed.entities:
                entities = self._by_moment.setdefault(claimed.fact.known_at, {})
                entities.setdefault(entity, []).append(claimed.fact)
        self._uncommitted.append([claimed.key for claimed in batch])

    def committed(self) -> None:
        """The earliest batch that is not committed is now: the view will bring it."""
        self._uncommitted.popleft()

    def void(self) -> None:
        """What is not committed is going to be read and scored again."""
        for batch in self._uncommitted:
            for key in batch:
                self._forget(key)
        self._uncommitted.clear()

    def returned(self, keys: Iterable[bytes]) -> None:
        """These records of the log are in the view."""
        for key in keys:
            self._forget(key)

    def before(self, moment: int) -> Pending:
        """What became known strictly before a moment, by entity."""
        seen: list[Mapping[EntityKey, Sequence[ClaimFact]]] = [
            entities for known_at, entities in self._by_moment.items() if known_at < moment
        ]
        if len(seen) < 2:
            return seen[0] if seen else _NOTHING
        found: dict[EntityKey, list[ClaimFact]] = defaultdict(list)
        for entities in seen:
            for entity, facts in entities.items():
                found[entity] += facts
        return found

    def _forget(self, key: bytes) -> None:
        claimed = self._claims.pop(key, None)
        if claimed is None:
            return
        known_at = claimed.fact.known_at
        for entity in claimed.entities:
            facts = self._by_moment[known_at][entity]
            facts.remove(claimed.fact)
            if not facts:
                del self._by_moment[known_at][entity]
        if not self._by_moment.get(known_at, True):
            del self._by_moment[known_at]
