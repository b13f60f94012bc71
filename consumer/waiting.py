"""Says why a command waits for Kafka: the client itself stays silent until it gives up.

A request to Kafka is retried for `TIMEOUT_S`, during which a command would seem to hang.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from consumer.background import in_background
from consumer.kafka.topics import TIMEOUT_S, admin
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

SAY_S: Final = 3.0
TICK_S: Final = 0.2


@contextmanager
def aloud(settings: Settings, say_s: float = SAY_S) -> Iterator[None]:
    """Warn, with the reason, if the first request to Kafka in the body has no answer yet.

    Args:
        settings: connection.
        say_s: seconds until the warning.
    """
    answered = threading.Event()

    def run() -> None:
        if answered.wait(say_s):
            return
        log.warning(
            "no answer from Kafka at %s after %.0f s (KAFKA_BOOTSTRAP_SERVERS); "
            "giving up after %.0f s in all",
            settings.kafka_bootstrap_servers,
            say_s,
            TIMEOUT_S,
        )
        client = admin(settings)  # reports what happens to its own connection
        while not answered.wait(TICK_S):
            client.poll(0)

    with in_background(run, "waiting for Kafka", answered):
        yield
