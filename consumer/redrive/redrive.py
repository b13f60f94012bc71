"""Sends dead letters back to the claims topic, exactly once and without loops.

The original record (key, value, its own headers) is produced to the claims topic with its attempt
count in a header; the worker scores it like any other claim, and if it is refused
again, the next dead letter carries the count forward. Each batch of dead letters is one transaction
with its offsets, in a separate group (``CONSUMER_GROUP-redrive``), so that none is sent twice.
A dead letter that a filter excludes, that was tried too often or is redacted, is appended to
the dead-letter topic again in the same transaction: it waits there for the next redrive.
One that is closed (``--discard``) is not sent: a record that states who closed it, when and why is
appended instead, which later redrives skip.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from consumer.batch.process import next_offsets
from consumer.batch.records import coordinates
from consumer.dead_letters.binding import place_of
from consumer.dead_letters.sealing import Opener, make_opener
from consumer.errors import KafkaStoppedError
from consumer.intake.evidence import Evidence
from consumer.intake.takeover import Start, TakeOver
from consumer.kafka.client import (
    UNANSWERED,
    consumer_config,
    kafka_error,
    make_consumer,
    report_client_error,
    serve,
    stopped,
    transactional_id,
)
from consumer.kafka.outputs import Ends
from consumer.kafka.portions import take
from consumer.kafka.producing import produce
from consumer.kafka.reading import PATIENCE_S, Patience, records
from consumer.kafka.receipts import Place, Receipts
from consumer.kafka.topics import (
    COUNTS_AND_WRITES,
    READS,
    admin,
    require_topics,
    without_coordinator,
)
from consumer.publishing.committing import Transaction, ready_producer
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Output, Publication
from consumer.publishing.reports import CUT_SHORT, TOO_LARGE, DeliveryReports
from consumer.publishing.sizes import compressed
from consumer.redrive.closing import Close, Closure
from consumer.redrive.copies import Fingerprint
from consumer.redrive.listing import listed
from consumer.redrive.marks import Marks
from consumer.redrive.plan import (
    Filter,
    Redriven,
    SendBack,
    Step,
    Task,
    read_letter,
)
from consumer.settings.settings import Delivery, Membership, Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from schemas.alert import Source
from schemas.dead_letter import Form

log = logging.getLogger(__name__)

BATCH: Final = 500
TIMEOUT_S: Final = 30.0
COORDINATOR_MOVES: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""The group's coordinator is not there yet: asking again finds it."""

MakeTransaction = Callable[[Producer, Receipts, float], Transaction]
"""Makes a transaction that has not begun, given a producer, receipts and a timeout in seconds."""


def redrive(
    settings: Settings,
    wanted: Filter,
    *,
    limit: int | None = None,
    closure: Closure | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    stop: Stop | None = None,
    batch: int = BATCH,
    patience_s: float = PATIENCE_S,
    make: MakeTransaction = Transaction,
) -> Redriven:
    """Send dead letters back to the claims topic, or close them.

    Reads from where the last redrive ended to the current end, so that what is kept or
    refused again meanwhile is not encountered a second time.

    Args:
        settings: topics and connection.
        wanted: which dead letters to send or close.
        limit: stop after this many were sent or closed.
        closure: close them for this reason instead of sending them; needs no key.
        dry_run: print them as JSON lines and change nothing.
        progress: called with the number of records examined.
        stop: ends it between two transactions.
        batch: at most this many dead letters per transaction.
        patience_s: how long Kafka may make no progress, in seconds.
        make: makes each transaction.

    Raises:
        KafkaStoppedError: Kafka refuses, or another redrive is running.
    """
    stop = stop or Stop(service=False)
    wanted = wanted._replace(encrypted_only=settings.dead_letter_value is Form.ENCRYPTED)
    # The producer comes first: it ends what a killed redrive left open and fences one that is still
    # running, so that nobody moves the offsets that are read next.
    opener = make_opener(settings) if closure is None or dry_run else None
    task: Task
    if closure is not None:
        task = Close(wanted, closure)
    else:
        assert opener is not None
        task = SendBack(wanted, opener)
    rights = READS if dry_run else COUNTS_AND_WRITES
    with aloud(settings):
        require_topics(
            settings, {settings.dead_letter_topic: rights, settings.claims_topic: rights}
        )
    producer = None if dry_run else _producer(settings)
    receipts = Receipts(transactional_id(_own(settings)))
    consumer = _consumer(settings)
    try:
        marks = Marks()
        starts = _starts(settings, consumer, receipts, marks, patience_s)
        receipts.key = marks.key
        ends = _assign(consumer, starts)
        batches = _batches(consumer, ends, starts, stop, batch, patience_s)
        if producer is None:
            assert opener is not None
            stop.gracefully()
            done = _show(batches, task, limit, marks, opener)
        else:
            sending = _Sending(
                settings, producer, consumer, receipts, marks, task, _Sent(limit), make
            )
            stop.gracefully(unknown=sending.unknown)
            done = sending.send(batches, progress)
        return done._replace(stopped=stop.asked)
    except KafkaException as error:
        serve(consumer)
        raise stopped(error, "redriving") from error
    finally:
        consumer.close()


def _own(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        consumer_group=f"{settings.consumer_group}-redrive",
        instance_id="redrive",
        membership=Membership.DYNAMIC,
        delivery=Delivery.EXACTLY_ONCE,
    )


def _producer(settings: Settings) -> Producer:
    own = compressed(_own(settings))
    outputs = settings.claims_topic, settings.dead_letter_topic
    try:
        leftovers = Leftovers(own, settings.dead_letter_topic, outputs)
        return ready_producer(own, leftovers, TIMEOUT_S)
    except KafkaException as error:
        why = stopped(error, "starting the transactional producer")
        if kafka_error(error).code() not in UNANSWERED:
            raise why from error
        raise KafkaStoppedError(f"{why}{without_coordinator(settings)}") from error


def _consumer(settings: Settings) -> Consumer:
    return make_consumer(
        {
            **consumer_config(_own(settings)),
            "isolation.level": "read_committed",
            "error_cb": report_client_error,
        }
    )


def _starts(
    settings: Settings, consumer: Consumer, receipts: Receipts, marks: Marks, patience_s: float
) -> dict[Place, Start]:
    """The end of the last redrive, or the start of its lost records; see `TakeOver`."""
    topic = settings.dead_letter_topic
    found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaStoppedError(f"{topic}: {found.error.str()}")
    places = [TopicPartition(topic, partition) for partition in found.partitions]
    outputs = Ends(admin(settings), (settings.claims_topic, topic))
    search = partial(Evidence, _own(settings), origin=marks.origin)
    over = TakeOver(receipts, outputs, search)
    patience = Patience("finding out where the last redrive ended", patience_s)
    seen = 0
    while True:
        try:
            committed = _committed(consumer, places)
        except KafkaException as error:
            # A broker that has just started; a dry run has no producer that waited for it.
            if kafka_error(error).code() not in COORDINATOR_MOVES:
                raise
            patience.check(f": {kafka_error(error).str()}")
            time.sleep(0.1)
            continue
        marks.learn(place.metadata for place in committed)
        starts = over.step(committed)
        if starts is not None:
            return starts
        if over.seen != seen:
            seen = over.seen
            patience.progressed()
        held = ", ".join(f"{t}[{p}]@{offset}" for (t, p), offset in over.open.items())
        about = ", a transaction is open: {}; see docs/runbook.md, a transaction that hangs"
        patience.check(about.format(held) if held else "")
        time.sleep(0.1)


def _committed(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    """The offsets that earlier redrives committed; the beginning where none did."""
    found: list[TopicPartition] = consumer.committed(places, timeout=TIMEOUT_S)
    return [p if p.offset >= 0 else TopicPartition(p.topic, p.partition, 0) for p in found]


def _assign(consumer: Consumer, starts: Mapping[Place, Start]) -> dict[int, int]:
    """Start reading at these starts; returns the ends, by partition."""
    assigned, ends = [], {}
    for (topic, partition), (offset, _) in starts.items():
        place = TopicPartition(topic, partition)
        found = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        if not found:  # the client's answer when time is up
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"the end of {topic}"))
        low, high = found
        start = max(low, offset)
        assigned.append(
            TopicPartition(topic, partition, start if start > low else OFFSET_BEGINNING)
        )
        if start < high:
            ends[partition] = high
    consumer.assign(assigned)
    return ends


def _batches(
    consumer: Consumer,
    ends: dict[int, int],
    starts: Mapping[Place, Start],
    stop: Stop,
    most: int,
    patience_s: float,
) -> Iterable[list[Message]]:
    """Batches up to the given ends. Aborted records leave gaps, so the position decides."""
    done = {partition: start.done for (_, partition), start in starts.items()}
    left, at = dict(ends), dict[int, int]()
    topic = ", ".join({topic for topic, _ in starts})
    patience = Patience(f"reading {topic}", patience_s)
    while left and not stop.asked:
        messages = records(take(consumer, most, 0.2), topic)
        places = [(m, coordinates(m)) for m in messages]
        wanted = [m for m, p in places if _before(p, ends) and p.offset not in done[p.partition]]
        for place in consumer.position(consumer.assignment()):
            if at.get(place.partition) != place.offset:
                at[place.partition] = place.offset
                patience.progressed()
            if place.offset >= left.get(place.partition, sys.maxsize):
                del left[place.partition]
        patience.check(f", before the end of partitions {sorted(left)}")
        if wanted:
            yield wanted
            patience.progressed()


def _before(place: Source, ends: dict[int, int]) -> bool:
    return place.offset < ends.get(place.partition, 0)


class _Sent:
    """What this redrive has sent.

    Attributes:
        room: how many more may be sent or closed.
        fingerprints: of those sent; about 80 bytes each.
    """

    def __init__(self, limit: int | None) -> None:
        self.room = sys.maxsize if limit is None else limit
        self.fingerprints: set[Fingerprint] = set()

    def add(self, step: Step) -> None:
        """Note what was sent."""
        self.room -= step.taken
        self.fingerprints.update(step.fingerprints)


def _show(
    batches: Iterable[list[Message]], task: Task, limit: int | None, marks: Marks, opener: Opener
) -> Redriven:
    done, sent = Redriven(0, 0), _Sent(limit)
    for messages in _portions(batches, task, sent):
        step = task.plan(messages, sent.room, marks.header, sent.fingerprints)
        for line in listed(step, opener):
            sys.stdout.write(line + "\n")
        sent.add(step)
        done = done.and_then(step)
    return done


@dataclass
class _Sending:
    """The state needed for sending."""

    settings: Settings
    producer: Producer
    consumer: Consumer
    receipts: Receipts
    marks: Marks
    task: Task
    sent: _Sent
    make: MakeTransaction
    in_flight: bool = False
    reports: DeliveryReports = field(default_factory=DeliveryReports)

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered."""
        if not self.in_flight:
            return None
        return (
            "it is unknown whether the last dead letters were sent or closed; the next redrive "
            "finds out and does neither twice"
        )

    def send(self, batches: Iterable[list[Message]], progress: Callable[[int], None]) -> Redriven:
        """One transaction per batch, after one that writes receipts where there are none."""
        places = self.consumer.assignment()
        committed = _committed(self.consumer, places) if places else []
        new = {(p.topic, p.partition): p.offset for p in committed if not p.metadata}
        if new:
            self._commit(Step.empty(), new, {})
        done = Redriven(0, 0)
        for messages in _portions(batches, self.task, self.sent):
            for step in self._send(messages):
                done = done.and_then(step)
                progress(done.sent + done.closed + done.kept)
        return done

    def _send(self, messages: list[Message]) -> Iterator[Step]:
        """Send dead letters in one transaction, or in smaller ones where some do not fit."""
        sent, mark = self.sent, self.marks.header
        step = self.task.plan(messages, sent.room, mark, sent.fingerprints)
        if self._fits(messages, step):
            yield step
            return
        if len(messages) > 1:
            middle = len(messages) // 2
            for half in (messages[:middle], messages[middle:]):
                yield from self._send(half)
            return
        (message,) = messages
        while (less := self.task.smaller(message, step, self.marks.header)) is not None:
            step = less
            if self._fits(messages, step):
                yield step
                return

    def _fits(self, messages: Sequence[Message], step: Step) -> bool:
        """Commit what was planned; False when it is too large for a topic, and nothing is sent."""
        letters = list(map(coordinates, messages))
        counts = Counter((p.topic, p.partition) for p in letters if p not in step.left)
        try:
            self._commit(step, next_offsets(letters), counts)
        except KafkaException as error:
            code = (self.reports.failed or kafka_error(error)).code()
            if code not in TOO_LARGE and not (code in CUT_SHORT and len(messages) > 1):
                raise
            first = place_of(letters[0])
            log.warning("too large, of %d dead letters from %s: %s", len(messages), first, error)
            self.receipts.aborted()
            self.producer.purge()
            self.producer = _producer(self.settings)  # ends the transaction
            return False
        self.sent.add(step)
        if isinstance(self.task, Close):
            for line in self.task.audit(step):
                log.info("%s", line)
        return True

    def _commit(
        self, step: Step, offsets: Mapping[Place, int], counts: Mapping[Place, int]
    ) -> None:
        self.in_flight = True
        if step.kept:
            now_ms = time.time_ns() // 1_000_000
            self.receipts.older(offsets, min(r.timestamp_ms or now_ms for r in step.kept))
        outputs = (
            Output(self.settings.claims_topic, step.claims, ()),
            Output(self.settings.dead_letter_topic, [*step.kept, *step.closed], ()),
        )
        transaction = self.make(self.producer, self.receipts, TIMEOUT_S)
        transaction.fill(Publication(outputs, offsets, counts), self._queue)
        transaction.commit(self.consumer.consumer_group_metadata())
        self.in_flight = False

    def _queue(self, producer: Producer, publication: Publication) -> None:
        """Queue all records and wait, so that it is known which one is refused."""
        self.reports.clear()
        for output in publication.outputs:
            produce(producer, output.topic, output.records, self.reports.note)
        self.reports.wait(producer, TIMEOUT_S)


def _portions(batches: Iterable[list[Message]], task: Task, sent: _Sent) -> Iterator[list[Message]]:
    """Parts of batches, in order, that contain no more than there is room for, until there is none.

    The rest of a batch is examined too if some of its first part were not sent: whatever is
    committed after it covers it.
    """
    for messages in batches:
        rest = messages
        while rest:
            part = _cut(rest, task, sent.room)
            rest = rest[len(part) :]
            yield part
            if sent.room == 0:
                return


def _cut(messages: list[Message], task: Task, room: int) -> list[Message]:
    """The batch up to the last dead letter that fits the limit."""
    for index, message in enumerate(messages):
        letter = read_letter(message)
        room -= letter is not None and task.takes(message, letter)
        if room == 0:
            return messages[: index + 1]
    return messages
