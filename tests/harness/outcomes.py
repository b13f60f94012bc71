"""Whether each record of the claims topic has its one outcome, and the right one. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from consumer.batch.cut import HEAD_BYTES
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter, Form, Reason
from tests.broker.read import Header, Record

Place = tuple[str, int, int]
SHOWN = 3
SAME_SCORE = 1e-9


class Score(NamedTuple):
    """What a model says of a claim, and from which probability on it refers."""

    probability: float
    threshold: float


class Expected(NamedTuple):
    """The expected outcome of one source record."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    claim_id: str | None = None
    """None: the record is not a claim and must become a dead letter."""
    scores: Mapping[str, Score] = {}
    """By the digest of each model that may have scored it."""
    reason: Reason | None = None
    """Why it is refused; None: for any reason."""


class Outputs(NamedTuple):
    """What is in the output topics, and what should be."""

    expected: Mapping[Place, Expected]
    alerts: Sequence[Record]
    dead_letters: Sequence[Record]
    repeats: bool = False
    """At least once: records may have several outcomes, in any order."""
    may_be_cut: bool = False
    """The topic of the dead letters is too small for some of them."""


class Violation(NamedTuple):
    """A broken promise, with a few examples."""

    promise: str
    times: int
    examples: Sequence[object]

    def __str__(self) -> str:
        shown = "; ".join(str(e) for e in self.examples[:SHOWN])
        return f"{self.promise}: {self.times} ({shown})"


def check(found: Outputs) -> list[Violation]:
    """Every promise about outcomes that was broken; [] when all were kept."""
    return violations(
        {
            "an outcome names no source record": _unreadable(found),
            "a source record has more than one outcome": [] if found.repeats else _repeated(found),
            "a source record has no outcome": _missing(found),
            "an outcome belongs to no source record": _unexpected(found),
            "a claim has an alert that is not its own": _wrong_alerts(found),
            "a dead letter is not its record": _wrong_dead_letters(found),
            "the order of a key is broken": [] if found.repeats else _out_of_order(found),
        }
    )


def violations(found: Mapping[str, Sequence[object]]) -> list[Violation]:
    """The promises that have examples of being broken."""
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


def _sources(found: Outputs) -> Iterator[tuple[Record, Place | None]]:
    for rows, source in (
        (found.alerts, source_of_alert),
        (found.dead_letters, source_of_dead_letter),
    ):
        for row in rows:
            try:
                yield row, source(row)
            except (ValueError, KeyError):
                yield row, None


def _unreadable(found: Outputs) -> list[object]:
    return [row.place for row, source in _sources(found) if source is None]


def _repeated(found: Outputs) -> list[object]:
    counts = Counter(source for _, source in _sources(found) if source is not None)
    return [f"{place} {n} times" for place, n in counts.items() if n > 1]


def _missing(found: Outputs) -> Sequence[object]:
    return sorted(set(found.expected) - {source for _, source in _sources(found)})


def _unexpected(found: Outputs) -> list[object]:
    return [s for _, s in _sources(found) if s is not None and s not in found.expected]


def _wrong_alerts(found: Outputs) -> list[object]:
    return [r.place for r in found.alerts if not _is_alert_of(r, found.expected)]


def _is_alert_of(row: Record, expected: Mapping[Place, Expected]) -> bool:
    try:
        alert = msgspec.json.decode(row.value or b"", type=FraudAlert)
        wanted = expected[source_of_alert(row)]
    except (ValueError, KeyError):
        return True  # reported by another promise
    score = wanted.scores.get(alert.model_sha256)
    return (
        (row.key, alert.claim_id) == (wanted.key, wanted.claim_id)
        and score is not None
        and abs(alert.fraud_probability - score.probability) <= SAME_SCORE
        and alert.fraudulent == (alert.fraud_probability >= score.threshold)
    )


def _wrong_dead_letters(found: Outputs) -> list[object]:
    return [r.place for r in found.dead_letters if not _is_dead_letter_of(r, found)]


def _is_dead_letter_of(row: Record, found: Outputs) -> bool:
    try:
        wanted = found.expected[source_of_dead_letter(row)]
        letter = DeadLetter.from_headers(row.headers)
    except (ValueError, KeyError):
        return True  # reported by another promise
    if wanted.claim_id is not None or wanted.reason not in (None, letter.reason):
        return False
    if letter.value is Form.CUT:
        return found.may_be_cut and _is_cut_of(row, letter, wanted)
    was = wanted.key, wanted.value, tuple(wanted.headers)
    return (row.key, row.value, row.headers[: len(wanted.headers)]) == was


def _is_cut_of(row: Record, letter: DeadLetter, wanted: Expected) -> bool:
    value = wanted.value or b""
    return (row.key, row.value, letter.sha256, letter.length) == (
        wanted.key,
        value[:HEAD_BYTES],
        hashlib.sha256(value).hexdigest(),
        len(value),
    )


def _out_of_order(found: Outputs) -> list[object]:
    """Outputs of one key, in one output topic, must follow the order of the source."""
    runs: dict[tuple[str, bytes], list[tuple[int, int, Place]]] = defaultdict(list)
    for row, source in _sources(found):
        if source is not None and row.key is not None:
            runs[row.topic, row.key].append((row.partition, row.offset, source))
    return [f"{key!r} in {topic}" for (topic, key), run in runs.items() if not _in_order(run)]


def _in_order(run: Iterable[tuple[int, int, Place]]) -> bool:
    sources = [source for _, _, source in sorted(run)]
    return sources == sorted(sources)
