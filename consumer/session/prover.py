"""A thread that watches this worker's transactions become complete in the output topics.

Every half second it notes what is committed and where the outputs end after that; once no
transaction is open before those ends, the receipts may begin there. So a receipt covers about the
last second, and a worker that takes over a partition has equally little to read.
"""

import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Final

from confluent_kafka import KafkaException

from consumer.background import in_background
from consumer.kafka.client import kafka_error
from consumer.kafka.outputs import Ends
from consumer.kafka.receipts import Place, Receipts

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
ASK_AGAIN_S: Final = 0.1


class Prover:
    """Proves receipts, and notices transactions that stay open."""

    def __init__(self, receipts: Receipts, outputs: Ends) -> None:
        self._receipts = receipts
        self._outputs = outputs
        self._stopping = threading.Event()
        self._open: dict[Place, tuple[int, float]] = {}

    def running(self) -> AbstractContextManager[None]:
        """Watch while the body runs."""
        return in_background(self._run, "prover", self._stopping)

    def open_for(self, seconds: float) -> dict[Place, int]:
        """Output partitions with a transaction open for at least that long, and its offset."""
        limit = time.monotonic() - seconds
        return {place: offset for place, (offset, since) in self._open.items() if since <= limit}

    def longest_s(self) -> float:
        """Seconds since the oldest of them was first seen."""
        now = time.monotonic()
        return max((now - since for _, since in self._open.values()), default=0.0)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self.prove()
            except KafkaException as error:
                log.warning("the outputs cannot be checked: %s", kafka_error(error).str())

    def prove(self) -> None:
        """Take and prove one mark; returns early if asked to stop.

        Raises:
            KafkaException: Kafka does not answer.
        """
        mark = self._receipts.mark(time.time_ns() // 1_000_000)
        ends = self._outputs.written()
        while True:
            self._note(self._outputs.open(ends))
            if not self._open:
                self._receipts.prove(mark)
                return
            if self._stopping.wait(ASK_AGAIN_S):
                return

    def _note(self, found: dict[Place, int]) -> None:
        now, before = time.monotonic(), self._open
        self._open = {
            place: before[place] if before.get(place, (-1, 0.0))[0] == offset else (offset, now)
            for place, offset in found.items()
        }
