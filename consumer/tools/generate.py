"""A load of synthetic claims for testing: never for a topic that receives real claims."""

import itertools
import threading
import uuid
from collections.abc import Iterator
from typing import Final

import msgspec

from consumer.kafka.topics import WRITES, require_topics
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.tools.sender import BLOCK, ClaimRecord, Sender, paced
from model.datasets.synthetic import generate as synthetic_claims

BROKEN: Final = (b"{", b'{"claim_id": 7}', b'{"claim_id": "c", "claim_amount": -1}')
"""Occasional replacements for a claim: each is refused for a different reason."""


def rows(run: str, seed: int, broken_every: int) -> Iterator[ClaimRecord]:
    """Endless keys and values; every `broken_every`-th value is not a valid claim (0: none)."""
    for number, block in enumerate(itertools.count(seed)):
        claims, _ = synthetic_claims(BLOCK, block)
        for place, claim in enumerate(claims, start=number * BLOCK + 1):
            name = f"{run}-{place:09}"
            value = msgspec.json.encode(msgspec.structs.replace(claim, claim_id=name))
            if broken_every and place % broken_every == 0:
                value = BROKEN[place // broken_every % len(BROKEN)]
            yield name.encode(), value


def generate(
    settings: Settings,
    *,
    rate: float,
    claims: int | None,
    broken_every: int,
    seed: int,
    stop: Stop,
) -> int:
    """Send claims to CLAIMS_TOPIC at a rate until SIGTERM, SIGINT or the number is reached.

    Args:
        settings: where Kafka is and the topic's name.
        rate: claims per second; 0 for as fast as Kafka accepts them.
        claims: stop after this many, None for no limit.
        broken_every: make every Nth record invalid; 0 disables it.
        seed: of the claims; their ids are new in each run.
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
    source = itertools.islice(rows(uuid.uuid4().hex[:12], seed, broken_every), claims)
    sent = paced(sender, source, rate, ended)
    sender.finish()
    return sent
