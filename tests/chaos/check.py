"""Checks what must hold once the dust has settled against the contents of Kafka. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from consumer.batch.cut import HEAD_BYTES
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter, Form
from tests.broker.read import Record

Place = tuple[str, int, int]
SHOWN = 3
SAME_SCORE = 1e-9


class Expected(NamedTuple):
    """The expected outcome of one source record."""

    key: bytes | None
    value: bytes | None
    claim_id: str | None
    """None: the record is not a claim and must become a dead letter."""
    scores: Mapping[str, float]
    """Probability by the digest of each model that may have scored it."""


class Observation(NamedTuple):
    """The checker's complete input."""

    expected: Mapping[Place, Expected]
    alerts: Sequence[Record]
    dead_letters: Sequence[Record]
    seen_live: Iterable[Record]
    """Records that a read_committed reader of `live_topics` saw while the faults happened."""
    live_topics: Sequence[str]
    committed: Mapping[int, int]
    next_offsets: Mapping[int, int]
    """Last source record of each partition + 1."""
    open_transactions: Sequence[object]
    unstable: Sequence[object]


class Violation(NamedTuple):
    """A broken promise, with a few examples."""

    promise: str
    times: int
    examples: Sequence[object]

    def __str__(self) -> str:
        shown = "; ".join(str(e) for e in self.examples[:SHOWN])
        return f"{self.promise}: {self.times} ({shown})"


def check(seen: Observation) -> list[Violation]:
    """Every promise that was broken; [] when all were kept."""
    found = {
        "an outcome names no source record": _unreadable(seen),
        "a source record has more than one outcome": _repeated(seen),
        "a source record has no outcome": _missing(seen),
        "an outcome belongs to no source record": _unexpected(seen),
        "a claim has an alert that is not its own": _wrong_alerts(seen),
        "a dead letter is not its record": _wrong_dead_letters(seen),
        "the order of a key is broken": _out_of_order(seen),
        "a live reader saw something else": _seen_otherwise(seen),
        "committed offsets are not at the end": _uncommitted(seen),
        "a transaction is open": seen.open_transactions,
        "readers are held back": seen.unstable,
    }
    return [Violation(p, len(e), e[:SHOWN]) for p, e in found.items() if e]


def source_of_alert(row: Record) -> Place:
    """Coordinates an alert carries."""
    source = msgspec.json.decode(row.value or b"", type=FraudAlert).source
    if source is None:
        raise ValueError("no source")
    return source.topic, source.partition, source.offset


def source_of_dead_letter(row: Record) -> Place:
    """Coordinates a dead letter's headers carry."""
    letter = DeadLetter.from_headers(row.headers)
    return letter.topic, letter.partition, letter.offset


def _sources(seen: Observation) -> Iterator[tuple[Record, Place | None]]:
    for rows, source in (
        (seen.alerts, source_of_alert),
        (seen.dead_letters, source_of_dead_letter),
    ):
        for row in rows:
            try:
                yield row, source(row)
            except (ValueError, KeyError):
                yield row, None


def _unreadable(seen: Observation) -> list[object]:
    return [row.place for row, source in _sources(seen) if source is None]


def _repeated(seen: Observation) -> list[object]:
    counts = Counter(source for _, source in _sources(seen) if source is not None)
    return [f"{place} {n} times" for place, n in counts.items() if n > 1]


def _missing(seen: Observation) -> Sequence[object]:
    return sorted(set(seen.expected) - {source for _, source in _sources(seen)})


def _unexpected(seen: Observation) -> list[object]:
    return [s for _, s in _sources(seen) if s is not None and s not in seen.expected]


def _wrong_alerts(seen: Observation) -> list[object]:
    return [r.place for r in seen.alerts if not _is_alert_of(r, seen.expected)]


def _is_alert_of(row: Record, expected: Mapping[Place, Expected]) -> bool:
    try:
        alert = msgspec.json.decode(row.value or b"", type=FraudAlert)
        wanted = expected[source_of_alert(row)]
    except (ValueError, KeyError):
        return True  # reported by another promise
    score = wanted.scores.get(alert.model_sha256)
    return (
        row.key == wanted.key
        and alert.claim_id == wanted.claim_id
        and score is not None
        and abs(alert.fraud_probability - score) <= SAME_SCORE
    )


def _wrong_dead_letters(seen: Observation) -> list[object]:
    return [r.place for r in seen.dead_letters if not _is_dead_letter_of(r, seen.expected)]


def _is_dead_letter_of(row: Record, expected: Mapping[Place, Expected]) -> bool:
    try:
        wanted = expected[source_of_dead_letter(row)]
        letter = DeadLetter.from_headers(row.headers)
    except (ValueError, KeyError):
        return True  # reported by another promise
    value = wanted.value
    if letter.value is Form.CUT and value is not None:
        about = (hashlib.sha256(value).hexdigest(), len(value))
        value = value[:HEAD_BYTES] if about == (letter.sha256, letter.length) else None
    return wanted.claim_id is None and (row.key, row.value) == (wanted.key, value)


def _out_of_order(seen: Observation) -> list[object]:
    """Records of one key, in one output partition, must follow the order of the source."""
    runs: dict[tuple[str, int, bytes], list[tuple[int, Place]]] = defaultdict(list)
    for row, source in _sources(seen):
        if source is not None and row.key is not None:
            runs[row.topic, row.partition, row.key].append((row.offset, source))
    broken: list[object] = []
    for (topic, _, key), run in runs.items():
        sources = [source for _, source in sorted(run)]
        if sources != sorted(sources):
            broken.append(f"{key!r} in {topic}")
    return broken


def _seen_otherwise(seen: Observation) -> Sequence[object]:
    rows = (*seen.alerts, *seen.dead_letters)
    final = {row.place: row for row in rows if row.topic in seen.live_topics}
    live = {row.place: row for row in seen.seen_live}
    return sorted(place for place in live | final if live.get(place) != final.get(place))


def _uncommitted(seen: Observation) -> list[object]:
    return [
        f"partition {p}: {seen.committed.get(p)} of {end}"
        for p, end in sorted(seen.next_offsets.items())
        if seen.committed.get(p) != end
    ]
