"""How much of the past is looked at, and of what: part of what a model was trained with."""

from msgspec import Struct

from model.history.facts import DAY
from schemas.contract.model import Contract
from schemas.entities.declared import Kindred


class Bounds(Struct, frozen=True, kw_only=True):
    """Bounds of what the function reads. Changing one changes features."""

    days: int = 1_095
    """Facts older than this are not seen, whether or not they are still stored."""
    person: int = 256
    """How many of the latest claims of a person-like entity are looked at for their policies."""
    business: int = 64
    """The same of a business-like one."""
    common: int = 20
    """A person-like entity that stands on so many policies, among the latest claims, is taken for
    a placeholder."""

    @property
    def span(self) -> int:
        """`days` in milliseconds."""
        return self.days * DAY


class EntityKind(Struct, frozen=True, kw_only=True):
    """A kind of entity that a contract names."""

    kind: str
    like: Kindred


def kinds_in(contract: Contract) -> tuple[EntityKind, ...]:
    """The kinds in a contract, in the order of `model.history.keys.kinds_of`."""
    found = {entity.kind: entity.like for entity in contract.entities.values()}
    return tuple(EntityKind(kind=kind, like=like) for kind, like in found.items())
