"""Copies of the modules of the store in which one place is changed."""

from typing import Any

from tests.harness.mutants import Mutant, mutated

ORDER = (
    "facts.entries", "facts.totals", "facts.layout", "facts.apart", "facts.pasts", "facts.writing",
    "facts.state", "facts.folder", "facts.linking", "store",
)  # fmt: skip


def store_of(mutant: Mutant | None = None) -> Any:
    """The module of the store, made of the code of all, with the change of a mutant."""
    return mutated("consumer.memory", ORDER, mutant)["store"]
