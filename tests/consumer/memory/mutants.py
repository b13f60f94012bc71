"""Copies of the modules of the store in which one place is changed."""

import sys
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.model.history.mutants import Mutant

FOLDER = Path(__file__).parents[3] / "consumer" / "memory"
ORDER = (
    "facts.entries", "facts.totals", "facts.layout", "facts.apart", "facts.pasts", "facts.writing",
    "facts.state", "facts.folder", "facts.linking", "store",
)  # fmt: skip
_numbers = count()


@cache
def source(module: str) -> str:
    """The code of a module."""
    return (FOLDER / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def store_of(mutant: Mutant | None = None) -> Any:
    """The module of the store, made of the code of all, with the change of a mutant."""
    package = f"mutated_store_{next(_numbers)}"
    for name in ORDER:
        text = source(name)
        if mutant is not None and mutant.module == name:
            assert text.count(mutant.text) == 1, f"{mutant.what}: {mutant.text!r} is not there once"
            text = text.replace(mutant.text, mutant.instead)
        for other in ORDER:
            text = text.replace(
                f"from consumer.memory.{other} import", f"from {package}.{other} import"
            )
        module = ModuleType(f"{package}.{name}")
        sys.modules[module.__name__] = module
        exec(compile(text, f"{package}/{name}.py", "exec"), module.__dict__)
    return sys.modules[f"{package}.store"]
