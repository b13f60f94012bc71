"""Limits how much is taken from a consumer at once: a fetch may contain many large records."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, Message

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of keys and values taken at once, as far as their sizes can be known beforehand."""
FEW: Final = 16
"""Records taken at once before any size is known: a fetch may contain large ones."""


def take(consumer: Consumer, most: int, wait_s: float) -> list[Message]:
    """Messages of a consumer: waits for the first few, then takes what is available.

    Args:
        consumer: with an assignment.
        most: maximum number of records; about `MOST_BYTES` of them, if that is less.
        wait_s: how long to wait for the first ones.

    Returns:
        Messages, some of which may be errors.
    """
    messages: list[Message] = []
    room, at_once = MOST_BYTES, FEW
    while True:
        asked = min(at_once, most - len(messages))
        found = consumer.consume(asked, 0 if messages else wait_s)
        messages += found
        sizes = list(map(size_of, found))
        room -= sum(sizes)
        if len(found) < asked or len(messages) >= most or room <= 0:
            return messages
        at_once = more_at_once(at_once, room, sizes)


def size_of(message: Message) -> int:
    """Bytes of key and value."""
    return len(message) + len(message.key() or b"")


def more_at_once(at_once: int, room: int, sizes: Sequence[int]) -> int:
    """Number of records to take next: up to twice as many, if there is room for the largest."""
    return max(1, min(2 * at_once, room // max(1, *sizes)))
