"""What has to be remembered after a round: one record for each accepted claim, stores that have
what the log has, and alerts that say what was known.
"""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

import msgspec

from consumer.memory.facts.folder import OWNER
from consumer.memory.log import log_fact
from consumer.memory.store import MemoryStore, open_store
from model.history.keys import fingerprint
from model.history.plan import Bounds
from model.scoring.load import load
from schemas.alert import FraudAlert
from schemas.memory import FactKind, read_fact, read_key
from tests.broker.read import Record
from tests.chaos import known
from tests.chaos.database import RoundDatabase
from tests.consumer.memory.logs import dumped
from tests.harness.outcomes import (
    Expected,
    Place,
    Score,
    Violation,
    source_of_alert,
    violations,
)

StoreKind = Literal["lmdb", "postgresql"]
STORES: Final[Sequence[StoreKind]] = ("lmdb", "postgresql")
SECRET: Final = bytes(range(32))
Dump = dict[bytes, list[tuple[bytes, bytes]]]
"""Keys and values by table."""


def environment(folder: Path, topic: str, database: RoundDatabase | None) -> dict[str, str]:
    """Settings of a worker that remembers; without a database, its stores are in the folder."""
    key = folder / "memory.key"
    if not key.exists():
        key.write_bytes(base64.b64encode(SECRET))
    return {
        "MEMORY": "on",
        "MEMORY_TOPIC": topic,
        "MEMORY_STORE": str(folder / "stores") if database is None else database.url,
        "MEMORY_KEY_FILE": str(key),
    }


class Remembered(NamedTuple):
    """What is there when everything has ended."""

    claims: Sequence[Record]
    """All committed records of the claims topic."""
    alerts: Sequence[Record]
    log: Sequence[Record]
    """The committed records of the topic that remembers."""
    stores: Path
    """The folder with the store of each worker, if they are LMDB; none is open."""
    database: RoundDatabase | None
    """Which all of them read, if it is PostgreSQL."""


def check(seen: Remembered) -> list[Violation]:
    """Every promise about what is remembered that was broken."""
    by_place = {source_of(row): row for row in seen.log if _is_claim(row)}
    noted = Counter(source_of(row) for row in seen.log if _is_claim(row))
    wanted = Counter(map(source_of_alert, seen.alerts))
    sent = {row.place: row.timestamp for row in seen.claims}
    alerts = read_alerts(seen.alerts)
    return violations(
        {
            "a claim that was scored is not remembered": sorted((wanted - noted).elements()),
            "something else is remembered, or twice": sorted((noted - wanted).elements()),
            "a claim is remembered as of another time": [
                place for place, row in by_place.items() if known_at(row) != sent.get(place)
            ],
            "a store differs from the log": list(_differences(seen)),
            **known.check(alerts, seen.log),
        }
    )


def _differences(seen: Remembered) -> Iterator[str]:
    if seen.database is not None:
        yield from seen.database.differences(seen.log)
    for path in sorted(seen.stores.glob("*/*")):
        if (difference := difference_of(path, seen.log)) is not None:
            yield f"{path.parent.name}: {difference}"


def scored(
    expected: Mapping[Place, Expected], alerts: Sequence[Record], models: Sequence[Path]
) -> dict[Place, Expected]:
    """What is expected of each claim, given the history that its alert states.

    Args:
        expected: without scores.
        alerts: of these claims.
        models: those that may have scored them.
    """
    found = dict(expected)
    by_place = {place: alert for place, alert in read_alerts(alerts) if place in found}
    for model in models:
        scorer = load(model, remembers=True)
        assert scorer.history is not None
        own = {p: a for p, a in by_place.items() if a.model_sha256 == scorer.sha256}
        claims = [scorer.decoder.decode(expected[place].value or b"") for place in own]
        histories = [known.stated(alert, scorer.history.kinds) for alert in own.values()]
        probabilities = scorer.score(claims, histories).tolist()
        for place, probability in zip(own, probabilities, strict=True):
            score = Score(probability, scorer.threshold)
            found[place] = found[place]._replace(scores={scorer.sha256: score})
    return found


def read_alerts(rows: Sequence[Record]) -> list[tuple[Place, FraudAlert]]:
    """Alerts with the records that they are about."""
    return [
        (source_of_alert(row), msgspec.json.decode(row.value or b"", type=FraudAlert))
        for row in rows
    ]


def _is_claim(row: Record) -> bool:
    return read_key(row.key).kind is FactKind.CLAIM


def source_of(row: Record) -> Place:
    """The record that a fact in the log came in."""
    key = read_key(row.key)
    return key.topic, key.partition, key.offset


def known_at(row: Record) -> int:
    """When a fact in the log became known, in milliseconds."""
    return read_fact(row.value or b"").known_at


def difference_of(path: Path, log: Sequence[Record]) -> str | None:
    """How a store differs from one that is filled from the log up to the same positions."""
    owner = path / OWNER
    if not owner.exists():
        return None
    topic_id = msgspec.json.decode(owner.read_bytes())["filled"]["topic_id"]
    with closing(store(path, topic_id)) as own:
        positions = own.positions()
    seen = [row for row in log if row.offset < positions.get(row.partition, 0)]
    with TemporaryDirectory() as name:
        with closing(store(Path(name), topic_id)) as anew:
            anew.apply([log_fact(row.key, row.value) for row in seen], positions)
        return _difference(dumped(path), dumped(Path(name)))


def store(path: Path, topic_id: str) -> MemoryStore:
    """The store of a worker, or one like it."""
    return open_store(path, known.KINDS, Bounds(), fingerprint(SECRET), topic_id)


def _difference(own: Dump, anew: Dump) -> str | None:
    told = [
        f"{name.decode()}: {len({*own.get(name, ())} - {*anew.get(name, ())})} cells too many, "
        f"{len({*anew.get(name, ())} - {*own.get(name, ())})} missing"
        for name in sorted(own.keys() | anew.keys())
        if own.get(name) != anew.get(name)
    ]
    return "; ".join(told) or None
