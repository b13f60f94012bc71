"""Which connection has to go when there are too many."""

import dataclasses

from consumer.server.connections import PATIENCE_S, Connections
from consumer.server.limits import Limits


@dataclasses.dataclass(eq=False)
class Open:
    """A connection that notes whether it was dropped."""

    due: float = 0.0
    dropped: bool = False

    def expire(self) -> None: ...

    def drop(self) -> None:
        self.dropped = True

    def finish(self) -> None: ...


def full(of: int) -> tuple[Connections, list[Open]]:
    """As many as have a place, all of which have sent a request."""
    made = Connections(Limits(connections=of))
    members = [Open() for _ in range(of)]
    for member in members:
        made.admit(member, 0.0)
        made.heard(member)
    return made, members


def test_a_slow_head_does_not_cost_its_own_connection() -> None:
    connections, members = full(3)
    slow = Open()
    connections.admit(slow, 0.0)
    assert not connections.serves(slow, 2 * PATIENCE_S)
    assert not slow.dropped
    assert not any(member.dropped for member in members)


def test_one_that_is_silent_makes_room_for_one_that_asks() -> None:
    connections, members = full(3)
    silent, asking = Open(), Open()
    connections.admit(silent, 0.0)
    connections.admit(asking, 0.5)
    assert not connections.serves(asking, PATIENCE_S / 2)
    assert connections.serves(asking, PATIENCE_S)
    assert silent.dropped
    assert not asking.dropped
    assert not any(member.dropped for member in members)
