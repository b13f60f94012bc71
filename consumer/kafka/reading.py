"""Reading to an end: no client error is ignored, and no wait is unlimited."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaException, Message

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import TRANSIENT, last_reason, stopped

log = logging.getLogger(__name__)

PATIENCE_S: Final = 60.0


def records(messages: Iterable[Message], topics: str) -> list[Message]:
    """The records among the returned messages; errors that the client recovers from are logged.

    Args:
        messages: the result of one call.
        topics: the topics being read, for errors that name no topic.

    Raises:
        KafkaStoppedError: any other error; it names the topic.
    """
    found = []
    for message in messages:
        error = message.error()
        if error is None:
            found.append(message)
        elif error.code() in TRANSIENT or (error.retriable() and not error.fatal()):
            log.warning("kafka consumer: %s", error.str())
        else:
            raise stopped(KafkaException(error), f"reading {message.topic() or topics}")
    return found


class Patience:
    """A limit for waiting without progress."""

    def __init__(self, what: str, seconds: float = PATIENCE_S) -> None:
        """Start waiting.

        Args:
            what: what is waited for, in the operator's terms.
            seconds: maximum time without progress.
        """
        self._what = what
        self._seconds = seconds
        self.progressed()

    def progressed(self) -> None:
        """Restart the wait."""
        self._until = time.monotonic() + self._seconds

    def check(self, about: str = "") -> None:
        """Continue waiting.

        Args:
            about: details of the wait, for the message.

        Raises:
            KafkaStoppedError: time is up.
        """
        if time.monotonic() > self._until:
            raise KafkaStoppedError(
                f"{self._what}: no progress for {self._seconds:.0f} s{about}{last_reason()}"
            )
