"""A view of the log in dictionaries: the plainest reading of what a store has to do."""

from collections.abc import Mapping, Sequence

from consumer.memory.view import Asked, Link, LogFact, Pending
from model.history.facts import ClaimFact, OutcomeFact, claim_ref, start_of_day
from model.history.features import ClaimHistory
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore, EntityKey
from schemas.memory import FactKey, Remembered, RememberedClaim


class DictView:
    """Holds the facts of the log, and builds everything else anew when it is asked."""

    def __init__(self, kinds: Sequence[EntityKind], bounds: Bounds | None = None) -> None:
        self.kinds = tuple(kinds)
        self.bounds = bounds or Bounds()
        self.facts: dict[FactKey, Remembered] = {}
        self._positions: dict[int, int] = {}
        self.closed = False

    def positions(self) -> dict[int, int]:
        return dict(self._positions)

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        for key, fact in facts:
            if fact is None:
                self.facts.pop(key, None)
            else:
                self.facts[key] = fact
        self._positions = dict(positions)

    def histories(self, asked: Sequence[Asked], pending: Pending) -> list[ClaimHistory]:
        store = self._store(pending)
        return [store.history(one.claim, one.keys, one.as_of) for one in asked]

    def links(self, asked: Sequence[Asked], most: int) -> Sequence[Sequence[Link]]:
        return [() for _ in asked]

    def empty(self) -> None:
        self.facts.clear()
        self._positions.clear()

    def complete(self, at_s: float) -> None: ...

    def close(self) -> None:
        self.closed = True

    def _store(self, pending: Pending) -> DictStore:
        store = DictStore(self.kinds, self.bounds)
        for fact in self.facts.values():
            moment = start_of_day(fact.known_at)
            if isinstance(fact, RememberedClaim):
                store.remember(claim_fact(fact), self.keys(fact))
            else:
                ref = claim_ref(fact.claim_id)
                store.learn(OutcomeFact(claim=ref, known_at=moment, fraud=fact.fraud))
        for key, facts in pending.items():
            for claim in facts.values():
                store.remember(claim, [key])
        return store

    def keys(self, fact: RememberedClaim) -> list[EntityKey]:
        """The entities that a claim names, by the numbers of their kinds."""
        numbers = {kind.kind: number for number, kind in enumerate(self.kinds)}
        return [(numbers[n.kind], n.hash) for n in fact.entities if n.kind in numbers]


def claim_fact(said: RememberedClaim) -> ClaimFact:
    """The fact in a record of the log, as a history in days has it."""
    return ClaimFact(
        claim=claim_ref(said.claim_id),
        known_at=start_of_day(said.known_at),
        policy=said.policy,
        day=None if said.day is None else said.day.toordinal(),
        amount=said.amount,
    )
