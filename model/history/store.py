"""A store of facts in memory: dictionaries by entity and by claim."""

from collections.abc import Iterable, Sequence

from model.history.facts import ClaimFact, ClaimRef, OutcomeFact, in_order
from model.history.features import ClaimHistory, KnownEntity, claim_history, entity_features
from model.history.keys import Hash
from model.history.past import NO_FINDINGS, EntityPast
from model.history.plan import Bounds, EntityKind

EntityKey = tuple[int, Hash]
"""The number of a kind, and the hash of a name."""


class DictStore:
    """Holds facts; says nothing that does not follow from the set of them.

    Args:
        kinds: of entities, those of a contract.
        bounds: how much is looked at.
    """

    def __init__(self, kinds: Sequence[EntityKind], bounds: Bounds) -> None:
        self._kinds = tuple(kinds)
        self._bounds = bounds
        self._pasts: dict[EntityKey, EntityPast] = {}
        self._named_by: dict[ClaimRef, set[EntityKey]] = {}
        """Entities by the claims that name them."""
        self._findings: dict[ClaimRef, frozenset[OutcomeFact]] = {}
        """By claim, also if the claim itself has not come yet."""

    def remember(self, fact: ClaimFact, keys: Iterable[EntityKey]) -> None:
        """Take in a claim and the entities that it names."""
        findings = in_order(self._findings.get(fact.claim, frozenset()))
        named = self._named_by.setdefault(fact.claim, set())
        for key in keys:
            named.add(key)
            past = self._pasts.get(key)
            if past is None:
                past = self._pasts[key] = EntityPast(self._bounds.span)
            past.add(fact, findings)

    def learn(self, finding: OutcomeFact) -> None:
        """Take in what was found about a claim, whether or not the claim has come yet."""
        former = self._findings.get(finding.claim, frozenset())
        if finding in former:
            return
        self._findings[finding.claim] = known = former | {finding}
        ordered = in_order(known) or NO_FINDINGS
        for key in self._named_by.get(finding.claim, ()):
            self._pasts[key].found(finding.claim, ordered)

    def history(self, claim: ClaimRef, keys: Iterable[EntityKey], as_of: int) -> ClaimHistory:
        """The history features of a claim as of a moment; see `claim_history`."""
        return claim_history(
            self._kinds, [(key[0], self._known(key, claim, as_of)) for key in keys]
        )

    def _known(self, key: EntityKey, claim: ClaimRef, as_of: int) -> KnownEntity:
        past = self._pasts.get(key)
        own = None if past is None else past.own(claim)
        return entity_features(past, self._kinds[key[0]], own, as_of, self._bounds)
