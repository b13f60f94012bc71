"""A load of synthetic claims for testing: never for a topic that receives real claims."""

import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import last_reason, stopped
from consumer.kafka.producing import make_producer
from consumer.kafka.reading import Patience
from consumer.kafka.topics import WRITES, require_topics
from consumer.settings.settings import Delivery, Settings
from consumer.stop import Stop
from model.datasets.synthetic import generate as synthetic_claims
from model.samples.draws import Event
from model.samples.lines import AUTO, GENERATORS, as_reported, with_id
from schemas.claim import Claim
from schemas.contract.model import Contract
from schemas.contract.parse import shipped

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
BLOCK: Final = 5_000
FLUSH_S: Final = 30.0
BROKEN: Final = (b"{", b'{"claim_id": 7}', b'{"claim_id": "c", "claim_amount": -1}')
"""Occasional replacements for a claim: each is refused for a different reason."""

ClaimRecord = tuple[bytes, bytes]


def rows(run: str, seed: int, broken_every: int, contract: str = AUTO) -> Iterator[ClaimRecord]:
    """Endless keys and values; every `broken_every`-th value is not a valid claim (0: none)."""
    made = _claims if contract == AUTO else partial(_events, shipped(contract))
    for number, block in enumerate(itertools.count(seed)):
        for place, under in enumerate(made(block), start=number * BLOCK + 1):
            name = f"{run}-{place:09}"
            value = under(name)
            if broken_every and place % broken_every == 0:
                value = BROKEN[place // broken_every % len(BROKEN)]
            yield name.encode(), value


def _claims(seed: int) -> Iterator[Callable[[str], bytes]]:
    """A block of claims of the contract auto, each to be encoded under an id."""
    for claim in synthetic_claims(BLOCK, seed)[0]:
        yield partial(_claim, claim)


def _claim(claim: Claim, name: str) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(claim, claim_id=name))


def _events(contract: Contract, seed: int) -> Iterator[Callable[[str], bytes]]:
    """A block of events of another contract, as they are sent when a claim is reported."""
    for event in GENERATORS[contract.about.name](BLOCK, seed):
        yield partial(_event, contract, as_reported(contract, event))


def _event(contract: Contract, event: Event, name: str) -> bytes:
    return msgspec.json.encode(with_id(contract, event, name))


class Sender:
    """Produces rows and remembers the first one that Kafka refused."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.claims_topic
        self._failed: KafkaError | None = None
        plain = msgspec.structs.replace(settings, delivery=Delivery.AT_LEAST_ONCE)
        self._producer = make_producer(plain)

    def send(self, row: ClaimRecord) -> None:
        """Queue one row, waiting for room.

        Raises:
            KafkaStoppedError: there is none for `FLUSH_S`.
        """
        patience = Patience(f"writing to {self._topic}", FLUSH_S)
        while True:
            try:
                self._producer.produce(self._topic, row[1], row[0], on_delivery=self._note)
                return
            except BufferError:
                self._producer.poll(TICK_S)
                patience.check()

    def check(self) -> None:
        """Serve delivery reports.

        Raises:
            KafkaStoppedError: a row was refused.
        """
        self._producer.poll(0)
        if self._failed is not None:
            raise stopped(KafkaException(self._failed), f"writing to {self._topic}")

    def finish(self) -> None:
        """Wait until every row is acknowledged.

        Raises:
            KafkaStoppedError: one was not.
        """
        left = self._producer.flush(FLUSH_S)
        self.check()
        if left:
            raise KafkaStoppedError(
                f"{left} claims were not acknowledged within {FLUSH_S:.0f} s{last_reason()}"
            )

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        left = len(self._producer)
        return (
            f"it is unknown whether the last {left} claims are in {self._topic}" if left else None
        )

    def _note(self, error: KafkaError | None, _: Message) -> None:
        self._failed = self._failed or error


def generate(
    settings: Settings,
    *,
    rate: float,
    claims: int | None,
    broken_every: int,
    seed: int,
    contract: str,
    stop: Stop,
) -> int:
    """Send claims to CLAIMS_TOPIC at a rate until SIGTERM, SIGINT or the number is reached.

    Args:
        settings: where Kafka is and the topic's name.
        rate: claims per second; 0 for as fast as Kafka accepts them.
        claims: stop after this many, None for no limit.
        broken_every: make every Nth record invalid; 0 disables it.
        seed: of the claims; their ids are new in each run.
        contract: what the claims are: one of `model.samples.lines.NAMES`.
        stop: ends it.

    Returns:
        The number of claims sent, all acknowledged.

    Raises:
        KafkaStoppedError: the topic is missing, or a record was refused.
    """
    require_topics(settings, {settings.claims_topic: WRITES})
    ended = threading.Event()
    sender = Sender(settings)
    stop.gracefully(ended.set, sender.unknown)
    source = itertools.islice(rows(uuid.uuid4().hex[:12], seed, broken_every, contract), claims)
    sent, start = 0, time.monotonic()
    while not ended.is_set():
        behind = rate * (time.monotonic() - start) + 1 - sent if rate else BLOCK
        due = int(min(behind, BLOCK))
        batch = list(itertools.islice(source, due))
        for row in batch:
            sender.send(row)
        sender.check()
        sent += len(batch)
        if len(batch) < due:
            break
        if due < BLOCK:
            ended.wait(TICK_S)
    sender.finish()
    return sent
