"""A redrive after one whose transaction is not whole: every dead letter goes back exactly once.

A redrive dies before its second commit, with its records, dead letters that it keeps, and offsets
in the log. Each of the three has the marker that a broker gave it before it was killed, if any.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from confluent_kafka import Producer, TopicPartition

from consumer.batch.records import Record
from consumer.errors import KafkaStoppedError
from consumer.kafka.receipts import Receipts
from consumer.publishing.committing import Transaction
from consumer.publishing.publication import Publication
from consumer.redrive.plan import Filter
from consumer.redrive.redrive import redrive
from schemas.dead_letter import Reason
from tests.broker.transactions import unstable_partitions
from tests.integration.conftest import NewStage
from tests.integration.dead_transaction import DeadTransaction, End
from tests.integration.stage import Stage
from tests.integration.test_redrive import claims, letters, numbers, waiting
from tests.integration.traffic import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PARTITIONS: Final = 2
LETTERS: Final = 60
AT_ONCE: Final = 20
SOME: Final = Filter(reasons=frozenset({Reason.INVALID}))
COMMITTED, ABORTED, MISSING = End
MIXES = list(itertools.product(End, End))


@pytest.fixture(scope="module")
def kafka(unverified: str) -> str:
    return unverified


class DiedError(Exception):
    """The redrive has died before a commit; what would have been in it."""

    def __init__(self, publication: Publication, offsets: Sequence[TopicPartition]) -> None:
        self.publication = publication
        self.offsets = offsets


class Life:
    """Makes the transactions of a redrive that dies at the second one with records."""

    def __init__(self) -> None:
        self.filled = 0

    def __call__(self, producer: Producer, receipts: Receipts, timeout_s: float) -> Transaction:
        return Mortal(self, producer, receipts, timeout_s)


class Mortal(Transaction):
    """One of them."""

    def __init__(
        self, life: Life, producer: Producer, receipts: Receipts, timeout_s: float
    ) -> None:
        super().__init__(producer, receipts, timeout_s)
        self._life = life

    def fill(
        self, publication: Publication, queue: Callable[[Producer, Publication], None]
    ) -> None:
        self._life.filled += any(True for _ in publication.records)
        self._publication = publication
        super().fill(publication, queue if self._life.filled < 2 else lambda *_: None)

    def commit(self, group_metadata: Any) -> None:
        if self._life.filled == 2:
            raise DiedError(self._publication, self._offsets)
        super().commit(group_metadata)


def die(stage: Stage) -> DiedError:
    """Redrive some dead letters, keep the others, and die on the way."""
    with pytest.raises(DiedError) as died:
        redrive(stage.settings(), SOME, batch=AT_ONCE, make=Life())
    return died.value


def spread(records: Sequence[Record]) -> Mapping[int, Sequence[Record]]:
    return {partition: records[partition::PARTITIONS] for partition in range(PARTITIONS)}


def leave(stage: Stage, died: DiedError, marks: Mapping[str, Sequence[End]]) -> None:
    """Write what it would have written; each partition of a topic has its own marker.

    The group's offsets have none.
    """
    group = f"{stage.group}-redrive"
    dead = DeadTransaction(stage.bootstrap, f"{group}/redrive")
    for output in died.publication.outputs:
        assert len(output.records) >= PARTITIONS, "nothing would be left open"
        dead.records(output.topic, spread(output.records))
    dead.offsets(group, died.offsets)
    for topic, ends in marks.items():
        for partition, end in enumerate(ends):
            dead.end(topic, [partition], end)
    assert not dead.known(), "a new producer would end it"


def check_rest(stage: Stage) -> None:
    """Redrive everything; each dead letter has then been sent once."""
    before = len(claims(stage))
    done = redrive(stage.settings(), Filter())
    # A copy that stays in place would hide that its dead letter was read twice.
    assert (done.kept, done.copies, done.sent) == (0, 0, len(claims(stage)) - before)
    assert numbers(claims(stage)) == list(range(LETTERS))
    assert waiting(stage) == []
    assert unstable_partitions(stage.bootstrap, [stage.claims, stage.dead]) == []


@pytest.mark.parametrize(("sent", "kept"), MIXES)
def test_every_dead_letter_is_sent_once_whatever_was_marked(
    new_stage: NewStage, sent: End, kept: End
) -> None:
    stage = new_stage(partitions=PARTITIONS)
    produce(stage.bootstrap, stage.dead, letters(LETTERS))
    died = die(stage)
    marks = {stage.claims: [sent] * PARTITIONS, stage.dead: [kept] * PARTITIONS}
    leave(stage, died, marks)
    check_rest(stage)


@pytest.mark.parametrize("first", [COMMITTED, ABORTED])
def test_partitions_of_one_topic_may_differ(new_stage: NewStage, first: End) -> None:
    stage = new_stage(partitions=PARTITIONS)
    produce(stage.bootstrap, stage.dead, letters(LETTERS))
    died = die(stage)
    leave(stage, died, dict.fromkeys([stage.claims, stage.dead], (first, MISSING)))
    check_rest(stage)


def test_a_transaction_of_somebody_else_is_waited_for_and_named(new_stage: NewStage) -> None:
    stage = new_stage(partitions=PARTITIONS)
    produce(stage.bootstrap, stage.dead, letters(LETTERS))
    somebody = Producer(
        {"bootstrap.servers": stage.bootstrap, "transactional.id": f"{stage.group}-somebody"}
    )
    somebody.init_transactions(60)
    somebody.begin_transaction()
    somebody.produce(stage.claims, b"{}", b"k", partition=1)
    assert somebody.flush(60) == 0
    with pytest.raises(KafkaStoppedError) as stopped:
        redrive(stage.settings(), Filter(), patience_s=1.0)
    assert (
        f", a transaction is open: {stage.claims}[1]@0; see docs/runbook.md, "
        "a transaction that hangs"
    ) in str(stopped.value)
    assert claims(stage) == []
    somebody.abort_transaction(60)
    check_rest(stage)
