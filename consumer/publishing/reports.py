"""Delivery reports: which of the queued records the client or the brokers refused, and why."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.alert import Source

TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
CUT_SHORT: Final = frozenset(
    {
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._PURGE_QUEUE,
        KafkaError._STATE,
    }
)
"""Errors that the client reports instead for a transaction that has already failed."""
POLL_S: Final = 0.1
CAUSE_S: Final = 5.0

OnDelivery = Callable[[KafkaError | None, Message | None], None]


def is_too_large(error: KafkaError) -> bool:
    """True if one or more records were refused because of their size."""
    return error.code() in TOO_LARGE


class DeliveryReports:
    """Reports on the records queued since the last `clear`.

    Attributes:
        failed: why a record was not delivered: a refused size takes precedence over other reasons,
            and any reason over its consequences.
        refused: sources of the records that were refused because of their size.
    """

    def __init__(self) -> None:
        self.failed: KafkaError | None = None
        self.refused: set[Source] = set()

    def clear(self) -> None:
        """Forget what was reported."""
        self.failed = None
        self.refused.clear()

    def note(self, error: KafkaError | None, _: Message | None = None) -> None:
        """The report for any record."""
        if error is not None and (self._is_open() or is_too_large(error)):
            self.failed = error

    def _is_open(self) -> bool:
        return self.failed is None or self.failed.code() in CUT_SHORT

    def of(self, source: Source) -> OnDelivery:
        """The report for the record that comes from this one."""
        return partial(self._note_of, source)

    def _note_of(self, source: Source, error: KafkaError | None, _: Message | None = None) -> None:
        if error is not None and is_too_large(error):
            self.refused.add(source)
        self.note(error)

    def wait(self, producer: Producer, limit_s: float = math.inf) -> None:
        """Wait until all are delivered or one is refused.

        The records behind a refused one are not sent: a commit would wait for them until the
        transaction has timed out.

        Raises:
            KafkaException: one is not delivered.
        """
        self._wait(producer, limit_s, lambda: self.failed is not None)
        self.find_cause(producer)
        self.check()

    def find_cause(self, producer: Producer) -> None:
        """Wait for the report that says why, if only its consequences have been reported so far."""
        if self.failed is not None:
            self._wait(producer, CAUSE_S, lambda: not self._is_open())

    def _wait(self, producer: Producer, limit_s: float, known: Callable[[], bool]) -> None:
        end = time.monotonic() + limit_s
        while len(producer) and not known() and time.monotonic() < end:
            producer.poll(POLL_S)

    def check(self) -> None:
        """Raise for a record that was not delivered, as far as is known.

        Raises:
            KafkaException: one was not.
        """
        if self.failed is not None:
            raise KafkaException(self.failed)
