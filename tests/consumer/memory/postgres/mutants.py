"""Copies of the modules of the store in PostgreSQL in which one place is changed."""

from typing import Any

from tests.harness.mutants import Mutant, mutated

ORDER = ("literals", "pasts", "connection", "schema", "reading", "writing", "store")


def store_of(mutant: Mutant | None = None) -> Any:
    """The module of the store, made of the code of all, with the change of a mutant."""
    return mutated("consumer.memory.postgres", ORDER, mutant)["store"]
