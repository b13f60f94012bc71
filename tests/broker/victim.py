"""One transactional id with its own topic and group, for a broker that is to be killed."""

import time
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.broker import topics
from tests.broker.read import QUIET, end_offsets, read_all
from tests.broker.transactions import transactions

PARTITIONS: Final = 4
TRANSACTION_S: Final = 8.0
FIRST: Final = 5
"""Offset that the first transaction commits."""
LAST: Final = 15
"""Offset of the transaction that meets the kill."""
ASK_S: Final = 3.0


class Left(NamedTuple):
    """The state in a restarted broker of the transaction that was hit by the kill."""

    state: str
    """The coordinator's view of it."""
    marked: int
    """In how many of the output partitions a marker has ended it."""
    offset: int | None
    """What the group has committed; None while the broker does not report it."""


class Next(NamedTuple):
    """What the next commit of the same transactional id made visible."""

    record: bool
    """Readers see the record of the transaction that met the kill."""
    offset: bool
    """Its offset has become the group's."""


class Victim:
    """Commits one transaction, then has another one in flight."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.id = topics.fresh_name("victim")
        self.topic = topics.create(bootstrap, self.id, PARTITIONS)
        # Without a generation: nobody joins the group, so nobody is fenced.
        self._member = self._consumer().consumer_group_metadata()
        self._producer: Producer | None = self._new_producer()
        self._transaction(b"first", FIRST, PARTITIONS)
        self._producer.commit_transaction(60)
        self._begun = 0.0

    def _new_producer(self) -> Producer:
        made = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "transactional.id": self.id,
                "transaction.timeout.ms": int(TRANSACTION_S * 1000),
                "reconnect.backoff.max.ms": 200,
                **QUIET,
            }
        )
        made.init_transactions(60)
        return made

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": self.id,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                **QUIET,
            }
        )

    def _transaction(self, value: bytes, offset: int, partitions: int, place: int = 0) -> None:
        assert self._producer is not None
        self._producer.begin_transaction()
        for partition in range(partitions):
            self._producer.produce(self.topic, value, partition=partition)
        self._producer.flush(60)
        offsets = [TopicPartition(self.topic, place, offset)]
        self._producer.send_offsets_to_transaction(offsets, self._member, 60)

    def begin(self) -> None:
        """Bring a transaction to the point where only its commit is missing."""
        assert self._producer is not None
        while not self.in_time():  # on a busy machine the broker may end it before the kill
            if self._begun:
                self._producer = self._new_producer()
            self._begun = time.monotonic()
            self._transaction(b"last", LAST, PARTITIONS)

    def in_time(self) -> bool:
        """True if the transaction began so recently that the broker considers it alive."""
        return time.monotonic() < self._begun + TRANSACTION_S / 2

    def commit(self, seconds: float) -> bool:
        """Commit it; False if no answer came in time."""
        assert self._producer is not None
        try:
            self._producer.commit_transaction(seconds)
        except KafkaException:
            return False
        return True

    def die(self) -> None:
        """Let the producer go without another word to the broker."""
        assert self._producer is not None
        self._producer.purge()
        self._producer = None

    def left(self) -> Left:
        """The state of the transaction so far."""
        (state,) = (t.state for t in transactions(self._bootstrap) if t.transactional_id == self.id)
        stable = end_offsets(self._bootstrap, [self.topic], "read_committed")
        written = end_offsets(self._bootstrap, [self.topic], "read_uncommitted")
        marked = sum(stable[where] == end for where, end in written.items())
        return Left(state, marked, self._committed())

    def _committed(self) -> int | None:
        member = self._consumer()
        try:
            (found,) = member.committed([TopicPartition(self.topic, 0)], timeout=ASK_S)
        except KafkaException:
            return None
        finally:
            member.close()
        return int(found.offset)

    def commit_next(self) -> Next:
        """A new producer of the same id commits something else, as a restarted worker would."""
        self._producer = self._new_producer()
        self._transaction(b"next", 1, 1, place=1)
        self._producer.commit_transaction(60)
        seen = {row.value for row in read_all(self._bootstrap, self.topic)}
        return Next(b"last" in seen, self._committed() == LAST)
