"""What has to be remembered after a round: one record for each accepted claim, and stores that have
what the log has.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from consumer.memory.facts.folder import OWNER
from consumer.memory.log import log_fact
from consumer.memory.store import MemoryStore, open_store
from model.history.keys import fingerprint
from model.history.plan import Bounds, kinds_in
from schemas.contract.parse import shipped
from schemas.memory import FactKind, read_key
from tests.broker.read import Record
from tests.consumer.memory.logs import dumped
from tests.harness.outcomes import Place, Violation, violations

SECRET: Final = bytes(range(32))
Dump = dict[bytes, list[tuple[bytes, bytes]]]
"""Keys and values by table."""


def environment(folder: Path, topic: str) -> dict[str, str]:
    """Settings of a worker that remembers; its stores are in the folder."""
    key = folder / "memory.key"
    if not key.exists():
        key.write_bytes(base64.b64encode(SECRET))
    return {
        "MEMORY": "on",
        "MEMORY_TOPIC": topic,
        "MEMORY_STORE": str(folder / "stores"),
        "MEMORY_KEY_FILE": str(key),
    }


def check(accepted: Sequence[Place], log: Sequence[Record], stores: Path) -> list[Violation]:
    """Every promise about what is remembered that was broken.

    Args:
        accepted: the records of the claims that have an alert.
        log: the committed records of the topic.
        stores: the folder with the store of each worker; none is open.
    """
    noted = Counter(map(source_of, log))
    wanted = Counter(accepted)
    return violations(
        {
            "a claim that was scored is not remembered": sorted((wanted - noted).elements()),
            "something else is remembered, or twice": sorted((noted - wanted).elements()),
            "a store differs from the log": [
                f"{path.parent.name}: {difference}"
                for path in sorted(stores.glob("*/*"))
                if (difference := difference_of(path, log)) is not None
            ],
        }
    )


def source_of(row: Record) -> Place:
    """The record that a claim in the log came in."""
    key = read_key(row.key)
    assert key.kind is FactKind.CLAIM
    return key.topic, key.partition, key.offset


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
    kinds = kinds_in(shipped("auto"))
    return open_store(path, kinds, Bounds(), fingerprint(SECRET), topic_id)


def _difference(own: Dump, anew: Dump) -> str | None:
    told = [
        f"{name.decode()}: {len({*own.get(name, ())} - {*anew.get(name, ())})} cells too many, "
        f"{len({*anew.get(name, ())} - {*own.get(name, ())})} missing"
        for name in sorted(own.keys() | anew.keys())
        if own.get(name) != anew.get(name)
    ]
    return "; ".join(told) or None
