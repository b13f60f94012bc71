"""Copies of the modules of a room in which one place is changed."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
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
    return (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def mutated(
    room: str, order: Sequence[str], mutant: Mutant | None = None
) -> Mapping[str, ModuleType]:
    """Modules of a room by name, made of their code, with the change of a mutant.

    Args:
        room: the package, as it is imported.
        order: its modules, each after those that it imports.
        mutant: names one of them.
    """
    package = f"mutated_{next(_numbers)}"
    made = {}
    for name in order:
        text = source(f"{room}.{name}")
        if mutant is not None and mutant.module == name:
            assert text.count(mutant.text) == 1, f"{mutant.what}: {mutant.text!r} is not there once"
            text = text.replace(mutant.text, mutant.instead)
        for other in order:
            text = text.replace(f"from {room}.{other} import", f"from {package}.{other} import")
        module = made[name] = ModuleType(f"{package}.{name}")
        sys.modules[module.__name__] = module
        exec(compile(text, f"{package}/{name}.py", "exec"), module.__dict__)
    return made
