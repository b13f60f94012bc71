"""Copies of the modules of `model.history` in which one place is changed."""

import sys
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[3] / "model" / "history"
ORDER = ("facts", "plan", "past", "features", "store")
_numbers = count()


class Mutant(NamedTuple):
    """One change of the code that must not go unnoticed."""

    what: str
    module: str
    text: str
    """Stands in the module exactly once."""
    instead: str


@cache
def source(module: str) -> str:
    """The code of a module."""
    return (FOLDER / f"{module}.py").read_text(encoding="utf-8")


def modules(mutant: Mutant | None = None, order: tuple[str, ...] = ORDER) -> Any:
    """The modules by name, made of their code, with the change of a mutant."""
    package = f"mutated_{next(_numbers)}"
    made = {}
    for name in order:
        text = source(name)
        if mutant is not None and mutant.module == name:
            assert text.count(mutant.text) == 1, f"{mutant.what}: {mutant.text!r} is not there once"
            text = text.replace(mutant.text, mutant.instead)
        for other in order:
            text = text.replace(f"model.history.{other} import", f"{package}.{other} import")
        module = made[name] = ModuleType(f"{package}.{name}")
        sys.modules[module.__name__] = module
        exec(compile(text, f"{package}/{name}.py", "exec"), module.__dict__)
    return SimpleNamespace(**made)
