"""What ``check`` says of the entities of a contract: which fields name them, and how often."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from schemas.contract.model import Contract
from schemas.entities.declared import Entity
from schemas.entities.normal import Normal, normaliser

MOST_DIFFERENT: Final = 100_000
"""Names of a kind that are counted; beyond that, their number is a lower bound."""


class EntitiesSeen:
    """How often entities of each kind are named in a file; no name is shown."""

    def __init__(self, contract: Contract) -> None:
        self._fields = contract.entities
        self._normal: dict[str, Normal] = {n: normaliser(e) for n, e in self._fields.items()}
        self._named: Counter[str] = Counter()
        self._nobody: Counter[str] = Counter()
        self._different: dict[str, Counter[str]] = {e.kind: Counter() for e in kinds(contract)}

    def add(self, claim: Any) -> None:
        """Count the entities of one claim."""
        found: dict[str, set[str]] = {}
        for name, entity in self._fields.items():
            stated = getattr(claim, name)
            if stated is None:
                continue
            normal = self._normal[name](stated)
            if normal is None:
                self._nobody[entity.kind] += 1
            else:
                found.setdefault(entity.kind, set()).add(normal)
        for kind, names in found.items():
            self._named[kind] += 1
            seen = self._different[kind]
            for normal in names:
                if normal in seen or len(seen) < MOST_DIFFERENT:
                    seen[normal] += 1

    def line(self, kind: str) -> str:
        """What was seen of a kind."""
        seen = self._different[kind]
        more = " or more" if len(seen) == MOST_DIFFERENT else ""
        often = max(seen.values(), default=0)
        nobody = self._nobody[kind]
        return (
            f"named in {self._named[kind]:,} claims, {len(seen):,}{more} different, the commonest "
            f"in {often:,}; {nobody:,} {'text names' if nobody == 1 else 'texts name'} nobody"
        )


def kinds(contract: Contract) -> tuple[Entity, ...]:
    """One entity of each kind, in the order of the contract."""
    found: dict[str, Entity] = {}
    for entity in contract.entities.values():
        found.setdefault(entity.kind, entity)
    return tuple(found.values())


def lines(contract: Contract, seen: EntitiesSeen | None) -> Iterator[str]:
    """A line for each kind, and one for the names that history does not remember."""
    if contract.entities:
        yield f"entities: kind, like, form, fields{'' if seen is None else ', values'}"
    for entity in kinds(contract):
        fields = ", ".join(n for n, e in contract.entities.items() if e.kind == entity.kind)
        line = f"  {entity.kind:32} {entity.like:10} {entity.form:6} from {fields}"
        yield line if seen is None else f"{line}; {seen.line(entity.kind)}"
    only_named = [n for n, f in contract.fields.items() if isinstance(f.said.entity, str)]
    if only_named:
        first = only_named[0]
        yield (
            f"x-entity that is a name only, which history does not remember: "
            f"{', '.join(only_named)}; such as x-entity: "
            f"{{kind: {contract.fields[first].said.entity}, like: person}} would be remembered"
        )
