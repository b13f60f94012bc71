"""What history a model was trained with: how much of the past, of what, and how."""

from typing import Final, Literal

from msgspec import Struct

from model.history.facts import DAY
from schemas.contract.model import Contract
from schemas.entities.declared import Kindred

OUTCOME_DAYS: Final = 90
"""Days after the report at which an outcome starts to count, where the data does not say when it
became known."""


class Bounds(Struct, frozen=True, kw_only=True):
    """Bounds of what the function reads. Changing one changes features."""

    days: int = 1_095
    """Facts older than this are not seen, whether or not they are still stored."""
    person: int = 256
    """A person-like entity named by this many claims is taken for a placeholder; also how many
    claims are looked at for their policies."""
    business: int = 64
    """How many of the latest claims of a business-like entity are looked at for their policies."""
    common: int = 20
    """A person-like entity on this many policies is taken for a placeholder, too."""
    names: int = 64
    """How many entities count for one claim id, the first ones it named: sending an id again and
    again, with other names each time, does not create ever more work."""
    findings: int = 16
    """How many changes of the finding on one claim id count: the first ones."""

    @property
    def span(self) -> int:
        """`days` in milliseconds."""
        return self.days * DAY

    def most(self, like: Kindred) -> int:
        """How many of the latest claims of such an entity are looked at."""
        return self.person if like == "person" else self.business


class EntityKind(Struct, frozen=True, kw_only=True):
    """A kind of entity that a contract names."""

    kind: str
    like: Kindred


class HistoryPlan(Struct, frozen=True, kw_only=True):
    """How history features were computed; whoever serves the model must do the same."""

    kinds: tuple[EntityKind, ...]
    """In the order of the contract."""
    bounds: Bounds = Bounds()
    clock: Literal["day"] = "day"
    """Claims and outcomes are dated at the start of their day, and a claim is scored as of the
    start of its own: it sees earlier days only."""
    outcomes: Literal["stated", "assumed"]
    """When outcomes became known: as the data says, or `outcome_days` after the report."""
    outcome_days: int = OUTCOME_DAYS


def bounds_of(plan: HistoryPlan | None) -> Bounds:
    """The bounds of a model's plan; the defaults where claims are only kept for later models."""
    return Bounds() if plan is None else plan.bounds


def kinds_in(contract: Contract) -> tuple[EntityKind, ...]:
    """The kinds that the contract's fields name, in the order of the fields."""
    found = {entity.kind: entity.like for entity in contract.entities.values()}
    return tuple(EntityKind(kind=kind, like=like) for kind, like in found.items())


def refuse_without_entities(contract: Contract) -> None:
    """Check that a contract names someone to remember.

    Raises:
        ValueError: it does not; the message says what to write.
    """
    if contract.entities:
        return
    named = [n for n, f in contract.fields.items() if isinstance(f.said.entity, str)]
    hint = f" (of {named[0]}, x-entity is a name only)" if named else ""
    raise ValueError(
        f"contract {contract.about.name} names no person or thing to remember{hint}: write such as "
        "x-entity: {kind: phone, like: person, form: phone} with a field; see docs/memory.md"
    )
