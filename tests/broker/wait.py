"""Waiting for a condition, with a deadline that only a broken program meets."""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

GENEROUS = 240.0
T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, seconds: float = GENEROUS) -> T:
    """The first true answer of the condition.

    Raises:
        TimeoutError: none came in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def brokers(bootstrap: str) -> int:
    """Number of brokers that answer at this address; 0 while none does."""
    try:
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        return len(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return 0
