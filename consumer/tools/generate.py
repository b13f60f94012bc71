"""A load of synthetic claims for testing: never for a topic that receives real claims."""

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec

from consumer.kafka.topics import WRITES, require_topics
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.tools.sender import BLOCK, ClaimRecord, Sender, paced
from consumer.waiting import aloud
from model.datasets.synthetic import generate as synthetic_claims
from model.samples.draws import DrawnEvent
from model.samples.lines import AUTO, GENERATORS, as_reported, with_id
from schemas.claim import Claim
from schemas.contract.model import Contract
from schemas.contract.parse import shipped

BROKEN: Final = (b"{", b'{"claim_id": 7}', b'{"claim_id": "c", "claim_amount": -1}')
"""Occasional replacements for a claim: each is refused for a different reason."""


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


def _event(contract: Contract, event: DrawnEvent, name: str) -> bytes:
    return msgspec.json.encode(with_id(contract, event, name))


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
        seed: for the claims; their ids are new in each run.
        contract: what the claims are: one of `model.samples.lines.NAMES`.
        stop: ends it.

    Returns:
        The number of claims sent, all acknowledged.

    Raises:
        KafkaStoppedError: the topic is missing, or a record was refused.
    """
    with aloud(settings):
        require_topics(settings, {settings.claims_topic: WRITES})
    ended = threading.Event()
    sender = Sender(settings)
    stop.gracefully(ended.set, sender.unknown)
    source = itertools.islice(rows(uuid.uuid4().hex[:12], seed, broken_every, contract), claims)
    sent = paced(sender, source, rate, ended)
    sender.finish()
    return sent
