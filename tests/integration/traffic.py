"""Claims to stream, with bad records among them, each marked with what is wrong with it."""

import itertools
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from model.datasets.dataset import load
from schemas.dead_letter import Header
from tests.harness.bad_records import BAD, LIGHT

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDER = Path(os.environ.get("CLAIMS_DATA_DIR") or SHARED)
CARCLAIMS = FOLDER / "fraud_oracle.csv"

BAD_SHARE: Final = 0.02
KIND: Final = "kind"
"""Header of a bad record: which of `BAD` it is."""


class Row(NamedTuple):
    """One record to produce."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    at_ms: int = 0
    """Timestamp, in milliseconds since 1970; 0: when it is sent."""


@cache
def source() -> tuple[str, Sequence[Any]]:
    """Real claims where the data is, else synthetic ones; the name says which."""
    if CARCLAIMS.exists():
        return "carclaims", load(str(CARCLAIMS), "carclaims").claims
    return "synthetic", load("synthetic", "synthetic", rows=15_000).claims


def good(count: int) -> Iterator[Row]:
    """This many claims, each with its own id; a policy has several."""
    _, claims = source()
    for number, claim in enumerate(itertools.islice(itertools.cycle(claims), count)):
        once = msgspec.structs.replace(claim, claim_id=f"{claim.claim_id}-{number}")
        yield Row(b"policy-%d" % (number % 3_001), msgspec.json.encode(once))


def bad(kind: str) -> Row:
    return Row(kind.encode(), BAD[kind].value, [(KIND, kind.encode())])


def mixed(count: int, seed: int = 1) -> list[Row]:
    """So many claims, and 2 % bad records of every kind spread among them."""
    rows = list(good(count))
    chance = random.Random(seed)
    kinds = [
        *["large", "nested"] * 3,
        *itertools.islice(itertools.cycle(LIGHT), int(count * BAD_SHARE)),
    ]
    for kind in kinds:
        rows.insert(chance.randrange(len(rows) + 1), bad(kind))
    return rows


def produce(
    bootstrap: str, topic: str, rows: Iterable[Row], partition: int = -1, transaction: str = ""
) -> int:
    """Produce the rows in order, in a transaction if it has a name; returns how many."""
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "message.max.bytes": 10_000_000,
        "partitioner": "murmur2_random",
        "linger.ms": 5,
    }
    if transaction:
        config["transactional.id"] = transaction
    producer = Producer(config)
    if transaction:
        producer.init_transactions(120)
        producer.begin_transaction()
    failed: list[KafkaError] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    count = 0
    for row in rows:
        _queue(producer, topic, row, partition, note)
        count += 1
    assert producer.flush(120) == 0
    if transaction:
        producer.commit_transaction(120)
    assert not failed, failed[0]
    return count


def _queue(
    producer: Producer,
    topic: str,
    row: Row,
    partition: int,
    note: Callable[[KafkaError | None, Message], None],
) -> None:
    headers = list(row.headers)
    while True:
        producer.poll(0)
        try:
            producer.produce(
                topic, row.value, row.key, partition, note, timestamp=row.at_ms, headers=headers
            )
            return
        except BufferError:
            producer.poll(0.1)
