"""How far the database is, for a process that only reads it: others apply the log to it."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaException

from consumer.errors import StoreStoppedError
from consumer.kafka.client import TRANSIENT, UNANSWERED, kafka_error, stopped
from consumer.kafka.outputs import Ends
from consumer.kafka.topics import admin
from consumer.memory.pending import MOST, Claimed, PendingClaims
from consumer.memory.postgres.store import PostgresView
from consumer.memory.tail import Behind, stable_ends
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
"""How often to compare positions with the ends of the log."""
PATIENCE_S: Final = 60.0
"""How long to wait for a database that nobody fills."""


class CommittedClaims(PendingClaims):
    """Claims of this process, dropped once the database is past where the log ended after their
    commit. Their records are not read back here, as others read the log.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__(most)
        self._batches: deque[list[bytes]] = deque()
        """Keys of what is not committed yet."""
        self._settled: dict[bytes, None] = {}
        """Of what was committed since the end of the log was noted, if it is still pending."""
        self._noted: dict[bytes, None] = {}
        """Of what was committed before that."""

    def add(self, batch: Sequence[Claimed]) -> None:
        """See `PendingClaims`."""
        super().add(batch)
        self._batches.append([claimed.key for claimed in batch])

    def committed(self) -> None:
        """See `PendingClaims`."""
        super().committed()
        self._settled |= dict.fromkeys(k for k in self._batches.popleft() if k in self._claims)

    def void(self) -> None:
        """See `PendingClaims`."""
        super().void()
        self._batches.clear()

    def reached(self) -> None:
        """The database has reached the noted end, and a new one has been noted."""
        self.returned([*self._noted])
        self._noted, self._settled = self._settled, {}

    def _forget(self, key: bytes) -> None:
        super()._forget(key)
        self._settled.pop(key, None)
        self._noted.pop(key, None)


class _UnansweredError(Exception):
    """Kafka does not say where the log ends."""


class Follower:
    """Follows the positions of a database; used from one thread.

    Args:
        settings: topic and connection.
        view: the database.
        pending: claims of this process that may not be in it yet.
        clock: counts seconds.
    """

    def __init__(
        self,
        settings: Settings,
        view: PostgresView,
        pending: CommittedClaims,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topic = settings.memory_topic
        self._view = view
        self._pending = pending
        self._clock = clock
        self._behind = Behind(clock)
        self._due = 0.0
        self._log: Ends | None = None

    def load(self, going_on: Callable[[], bool], progress: Callable[[int, int], object]) -> bool:
        """Wait until the database reaches the current end of the log.

        Args:
            going_on: False once it should stop.
            progress: called with how many records were applied since, and about how many there are.

        Returns:
            False if it was stopped before the end.

        Raises:
            StoreStoppedError: nobody fills the database, it is ahead of the log, or it does not
                answer.
            KafkaStoppedError: the end of the log is unknown.
        """
        positions = first = self._view.positions()
        ends = stable_ends(self._settings, self._topic)
        ahead = sorted(p for p, offset in positions.items() if offset > ends.get(p, 0))
        if ahead:
            raise StoreStoppedError(
                f"MEMORY_STORE={self._view.where} is ahead of {self._topic} in the partitions "
                f"{ahead}: records were lost. python -m consumer memory rebuild"
            )
        self._log = Ends(admin(self._settings), [self._topic])
        everything = sum(ends.values()) - sum(first.values())
        until = self._clock() + PATIENCE_S
        while any(positions.get(partition, 0) < end for partition, end in ends.items()):
            if not going_on():
                return False
            time.sleep(LOOK_EVERY_S)
            former, positions = positions, self._view.positions()
            progress(sum(positions.values()) - sum(first.values()), everything)
            if positions != former:
                until = self._clock() + PATIENCE_S
            elif self._clock() > until:
                raise StoreStoppedError(
                    f"MEMORY_STORE={self._view.where}: nothing was applied for {PATIENCE_S:.0f} s, "
                    f"and {self._topic} has more. Does python -m consumer memory apply run?"
                )
        self.step()
        return True

    def step(self, wait_s: float = 0.0) -> int:
        """Check now and then how far the database is; 0, as nothing is taken in here.

        Args:
            wait_s: ignored: others do the work.

        Raises:
            StoreStoppedError: the database was emptied, or does not answer.
            KafkaStoppedError: Kafka refuses to say where the log ends.
        """
        if self._clock() >= self._due:
            self._due = self._clock() + LOOK_EVERY_S
            try:
                self._behind.look(self._view.positions(), self._ends)
            except _UnansweredError as error:
                log.warning("asking for the end of %s: %s", self._topic, error)
        return 0

    @property
    def behind_ms(self) -> int:
        """How far the database is behind the log; see `Behind`."""
        return self._behind.ms

    def _ends(self) -> Mapping[int, int]:
        """Where the log ends, open transactions included; asked once the last end was reached."""
        assert self._log is not None
        try:
            found = self._log.written()
        except KafkaException as error:
            if kafka_error(error).code() not in TRANSIENT | UNANSWERED:
                raise stopped(error, f"asking for the end of {self._topic}") from error
            raise _UnansweredError(kafka_error(error).str()) from error
        self._pending.reached()
        return {partition: end for (_, partition), end in found.items()}

    def close(self) -> None:
        """Close the connection."""
        self._view.close()
