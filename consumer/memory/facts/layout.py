"""Where a store keeps what, and for which kinds of entities."""

from typing import Any, NamedTuple

from model.history.plan import Bounds, EntityKind


class Layout(NamedTuple):
    """The layout of one store. The tables are LMDB's."""

    claims: Any
    """Entries by claim."""
    apart: Any
    """Records of claims that have many, and their indexes."""
    facts: Any
    """Facts by entity, sorted by day and claim."""
    totals: Any
    """Series of business-like entities with as many facts as are read, by what is counted."""
    kinds: tuple[EntityKind, ...]
    bounds: Bounds
    span: int
    """Milliseconds after which a fact is no longer seen."""
    read: tuple[int, ...]
    """How many of the latest claims are read, by kind number: one more than are looked at, as the
    claim that asks may be one of them."""
    numbers: dict[str, bytes]
    """Kind numbers, as one byte, by kind name; facts of other kinds are not kept."""
    business: frozenset[int]
    """Numbers of the business-like kinds."""

    @property
    def most_records(self) -> int:
        """How many records of a claim its entry holds; if there are more, each has its own row."""
        return self.bounds.findings
