"""Checks what must hold once the dust has settled against the contents of Kafka. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.broker.read import Record
from tests.harness import outcomes
from tests.harness.outcomes import Outputs, Violation, violations


class Observation(NamedTuple):
    """The checker's complete input."""

    outputs: Outputs
    seen_live: Iterable[Record]
    """Records that a read_committed reader of `live_topics` saw while the faults happened."""
    live_topics: Sequence[str]
    committed: Mapping[int, int]
    next_offsets: Mapping[int, int]
    """Last source record of each partition + 1."""
    open_transactions: Sequence[object]
    unstable: Sequence[object]


def check(seen: Observation) -> list[Violation]:
    """Every promise that was broken; [] when all were kept."""
    at_rest = {
        "a live reader saw something else": _seen_otherwise(seen),
        "committed offsets are not at the end": _uncommitted(seen),
        "a transaction is open": seen.open_transactions,
        "readers are held back": seen.unstable,
    }
    return [*outcomes.check(seen.outputs), *violations(at_rest)]


def _seen_otherwise(seen: Observation) -> Sequence[object]:
    rows = (*seen.outputs.alerts, *seen.outputs.dead_letters)
    final = {row.place: row for row in rows if row.topic in seen.live_topics}
    live = {row.place: row for row in seen.seen_live}
    return sorted(place for place in live | final if live.get(place) != final.get(place))


def _uncommitted(seen: Observation) -> list[object]:
    return [
        f"partition {p}: {seen.committed.get(p)} of {end}"
        for p, end in sorted(seen.next_offsets.items())
        if seen.committed.get(p) != end
    ]
