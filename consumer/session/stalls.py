"""Open transactions that block taking over partitions: ended if possible, otherwise reported."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.errors import KafkaStoppedError
from consumer.intake.evidence import source_of
from consumer.intake.source import Stall
from consumer.kafka.client import (
    kafka_error,
    last_reason,
    make_onlooker,
    transaction_timeout_s,
    transactional_id,
)
from consumer.kafka.receipts import Place, Receipt
from consumer.publishing.leftovers import Leftovers
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

OWN_AFTER_S: Final = 1.0
OTHERS_AFTER_S: Final = 5.0
"""After the transaction timeout: no live transaction is open for longer."""
AGAIN_S: Final = 15.0
LIMIT_S: Final = 200.0
ASK_S: Final = 2.0


class Blocked(NamedTuple):
    """A partition that an open transaction blocks."""

    topic: str
    partition: int
    offset: int
    ids: frozenset[str]
    """Transactional ids that may have left it open."""

    def __str__(self) -> str:
        who = ", ".join(sorted(self.ids)) or "unknown"
        return f"{self.topic}[{self.partition}]@{self.offset} (transactional id: {who})"


class Stalls:
    """Ends stalls: sweeps its own leftovers first, then those of workers that are gone."""

    def __init__(
        self,
        settings: Settings,
        sweep: Callable[[], object],
        leftovers: Leftovers,
        show: Callable[[Sequence[Blocked], float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a stall.

        Args:
            settings: connection, group and timeouts.
            sweep: ends what this worker's own id left open.
            leftovers: of this group.
            show: receives what is blocked and for how many seconds; empty when a stall is over.
            clock: in seconds, to time the next action.
        """
        self._settings = settings
        self._sweep = sweep
        self._leftovers = leftovers
        self._show = show
        self._clock = clock
        self._own_due = self._others_due = 0.0
        self._others_after = transaction_timeout_s(settings) + OTHERS_AFTER_S

    def __call__(self, stall: Stall) -> None:
        """Take the action that is due.

        Raises:
            KafkaStoppedError: nothing helped within `LIMIT_S`.
        """
        now = self._clock()
        own = stall.waited_s >= OWN_AFTER_S and now >= self._own_due
        others = stall.waited_s >= self._others_after and now >= self._others_due
        if not (own or others):
            return
        if not self._leftovers.reachable():
            if stall.waited_s > LIMIT_S:
                raise KafkaStoppedError(
                    f"no answer from Kafka for {stall.waited_s:.0f} s{last_reason()}"
                )
            return
        if own:
            self._own_due = now + AGAIN_S
            self._sweep()
        if others:
            self._others_due = now + AGAIN_S
            self._sweep_others(stall)

    def over(self) -> None:
        """Called when partitions have been taken over, or nothing is open any more."""
        self._own_due = self._others_due = 0.0
        self._show([], 0.0)

    def _sweep_others(self, stall: Stall) -> None:
        blocked = self._blocked(stall)
        self._show(blocked, stall.waited_s)
        text = "; ".join(map(str, blocked)) or "no answer from the group's coordinator"
        if stall.waited_s > LIMIT_S:
            raise KafkaStoppedError(
                f"blocked for {stall.waited_s:.0f} s by an open transaction: {text}. Find it with: "
                "kafka-transactions.sh --bootstrap-server HOST:PORT find-hanging --broker-id ID; "
                "end it with: kafka-transactions.sh … abort --topic T --partition P --start-offset "
                "O (docs/runbook.md, a transaction that hangs)"
            )
        log.warning("blocked for %.0f s by an open transaction: %s", stall.waited_s, text)
        own = transactional_id(self._settings)
        for other in sorted(frozenset[str]().union(*(b.ids for b in blocked)) - {own}):
            try:
                self._leftovers.sweep_as(other)
                log.warning("ended the transactions that %s had left open", other)
            except KafkaException as error:
                log.warning(
                    "transactions of %s could not be ended: %s", other, kafka_error(error).str()
                )

    def _blocked(self, stall: Stall) -> list[Blocked]:
        probe = make_onlooker(self._settings, "read_uncommitted")
        try:
            return [
                *(_offsets(probe, place) for place in stall.unstable),
                *(_output(probe, place, at) for place, at in stall.open.items()),
            ]
        except KafkaException as error:
            log.warning("cannot determine what is blocking: %s", kafka_error(error).str())
            return [Blocked(*p, offset, frozenset()) for p, offset in stall.open.items()]
        finally:
            probe.close()


def _offsets(probe: Consumer, place: Place) -> Blocked:
    (found,) = probe.committed([TopicPartition(*place)], timeout=ASK_S)
    receipt = Receipt.parse(found.metadata)
    return Blocked(*place, max(found.offset, 0), frozenset({receipt.by} if receipt else ()))


def _output(probe: Consumer, place: Place, offset: int) -> Blocked:
    """The owner of the first open record: the worker that last read the claim's partition."""
    probe.assign([TopicPartition(*place, offset)])
    messages = [m for m in probe.consume(1, ASK_S) if m.error() is None]
    probe.unassign()
    claim = source_of(messages[0]) if messages else None
    ids = frozenset[str]() if claim is None else _offsets(probe, claim[0]).ids
    return Blocked(*place, offset, ids)
