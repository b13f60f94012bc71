"""A store of facts in memory: dictionaries by entity and by claim."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from model.history.facts import (
    ClaimFact,
    ClaimRef,
    OutcomeFact,
    changes_in,
    counting,
    first_of,
)
from model.history.features import ClaimHistory, KnownEntity, claim_history, entity_features
from model.history.keys import Hash
from model.history.past import NO_FINDINGS, EntityPast
from model.history.plan import Bounds, EntityKind

EntityKey = tuple[int, Hash]
"""The number of a kind, and the hash of a name."""


class DictStore:
    """Holds facts; its answers follow from the set of them alone.

    Args:
        kinds: the contract's kinds of entities.
        bounds: how much is looked at.
    """

    def __init__(self, kinds: Sequence[EntityKind], bounds: Bounds) -> None:
        self._kinds = tuple(kinds)
        self._bounds = bounds
        self._pasts: dict[EntityKey, EntityPast] = {}
        self._named_by: dict[ClaimRef, dict[EntityKey, ClaimFact]] = {}
        """Facts that count, by claim and by the entity that it names."""
        self._found: dict[ClaimRef, tuple[list[int], list[int]]] = {}
        """Moments at which a claim was cleared, and at which fraud was found, each sorted; even
        if the claim itself has not come in yet."""

    def remember(self, fact: ClaimFact, keys: Iterable[EntityKey]) -> None:
        """Take in a claim and the entities that it names."""
        claim, most = fact.claim, self._bounds.names
        findings = self._findings(claim)
        named = self._named_by.setdefault(claim, {})
        for key in keys:
            former = named.get(key)
            named[key] = fact if former is None else first_of(former, fact)
            past = self._pasts.get(key)
            if past is None:
                past = self._pasts[key] = EntityPast(self._bounds.span)
            past.add(fact, findings)
        if len(named) > most:
            for key in named.keys() - counting(named, most).keys():
                del named[key]
                self._pasts[key].drop(claim)

    def learn(self, finding: OutcomeFact) -> None:
        """Take in what was found about a claim, whether or not the claim has come in yet."""
        claim = finding.claim
        moments = self._found.setdefault(claim, ([], []))[finding.fraud]
        place = bisect_left(moments, finding.known_at)
        if moments[place : place + 1] == [finding.known_at]:
            return
        moments.insert(place, finding.known_at)
        findings = self._findings(claim)
        for key in self._named_by.get(claim, ()):
            self._pasts[key].found(claim, findings)

    def _findings(self, claim: ClaimRef) -> tuple[OutcomeFact, ...]:
        found = self._found.get(claim)
        if found is None:
            return NO_FINDINGS
        return tuple(
            OutcomeFact(claim=claim, known_at=moment, fraud=fraud)
            for moment, fraud in changes_in(*found, self._bounds.findings)
        )

    def history(self, claim: ClaimRef, keys: Iterable[EntityKey], as_of: int) -> ClaimHistory:
        """The history features of a claim as of a moment; see `claim_history`."""
        return claim_history(
            self._kinds, [(key[0], self._known(key, claim, as_of)) for key in keys]
        )

    def _known(self, key: EntityKey, claim: ClaimRef, as_of: int) -> KnownEntity:
        past = self._pasts.get(key)
        own = None if past is None else past.own(claim)
        return entity_features(past, self._kinds[key[0]], own, as_of, self._bounds)
