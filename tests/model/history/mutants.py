"""Copies of the modules of `model.history` in which one place is changed."""

from types import SimpleNamespace
from typing import Any

from tests.harness.mutants import Mutant, mutated

ORDER = ("facts", "plan", "past", "features", "store")


def modules(mutant: Mutant | None = None, order: tuple[str, ...] = ORDER) -> Any:
    """The modules by name, made of their code, with the change of a mutant."""
    return SimpleNamespace(**mutated("model.history", order, mutant))
