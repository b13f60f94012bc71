"""Where a store keeps what, and of which kinds of entities."""

from typing import Any, NamedTuple

from model.history.plan import Bounds, EntityKind


class Layout(NamedTuple):
    """Of one store. The tables are those of LMDB."""

    claims: Any
    """Entries by claim."""
    apart: Any
    """Records of claims with many, and what is looked up of them."""
    facts: Any
    """Facts by entity, sorted by day and claim."""
    totals: Any
    """Series by business-like entity that has as many facts as are read, and what is counted."""
    kinds: tuple[EntityKind, ...]
    bounds: Bounds
    span: int
    """Milliseconds after which a fact is not seen any more."""
    read: tuple[int, ...]
    """How many of the latest claims are read, by number of the kind: one more than are looked at,
    as the claim that asks may be one of them."""
    numbers: dict[str, bytes]
    """Of the kinds, as one byte, by their names; facts of other kinds are not kept."""
    business: frozenset[int]
    """Numbers of the business-like ones."""

    @property
    def most_records(self) -> int:
        """How many records of a claim its entry has; of more, each is a row of its own."""
        return self.bounds.findings
