"""Copies of the modules of the store in PostgreSQL in which one place is changed."""

import sys
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.model.history.mutants import Mutant

FOLDER = Path(__file__).parents[4] / "consumer" / "memory" / "postgres"
ORDER = ("literals", "pasts", "connection", "schema", "reading", "writing", "store")
_numbers = count()


def store_of(mutant: Mutant | None = None) -> Any:
    """The module of the store, made of the code of all, with the change of a mutant."""
    package = f"mutated_postgres_{next(_numbers)}"
    for name in ORDER:
        text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        if mutant is not None and mutant.module == name:
            assert text.count(mutant.text) == 1, f"{mutant.what}: {mutant.text!r} is not there once"
            text = text.replace(mutant.text, mutant.instead)
        for other in ORDER:
            text = text.replace(
                f"from consumer.memory.postgres.{other} import", f"from {package}.{other} import"
            )
        module = ModuleType(f"{package}.{name}")
        sys.modules[module.__name__] = module
        exec(compile(text, f"{package}/{name}.py", "exec"), module.__dict__)
    return sys.modules[f"{package}.store"]
