"""Sample events of the contracts that have a generator, by the contract's name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.samples import dwellings, health, motor
from model.samples.draws import DrawnEvent
from schemas.contract.model import Contract

GENERATORS: Final[Mapping[str, Callable[[int, int], list[DrawnEvent]]]] = {
    "health": health.generate,
    "motor": motor.generate,
    "property": dwellings.generate,
}
"""Each makes so many events, with a seed, in the order in which they happened."""
AUTO: Final = "auto"
NAMES: Final = (AUTO, *GENERATORS)
"""Of the contracts that have a generator; that of auto makes claims, not events."""


def as_reported(contract: Contract, event: DrawnEvent) -> DrawnEvent:
    """The event as it is sent when the claim comes in: what is found later is not in it."""
    later = {*contract.label_path[:1], *contract.decided_path[:1]}
    return {name: value for name, value in event.items() if name not in later}


def with_id(contract: Contract, event: DrawnEvent, identity: str) -> DrawnEvent:
    """The event under another id, at the place that its contract prefers."""
    found = dict(event)
    inner: dict[str, Any] = found
    *above, name = contract.fields[contract.event.id].places[0]
    for member in above:
        inner[member] = dict(inner.get(member) or {})
        inner = inner[member]
    inner[name] = identity
    return found
